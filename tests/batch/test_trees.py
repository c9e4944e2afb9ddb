"""Trees of folders: which images are found, and where their colors go."""

from pathlib import Path

import pytest

from haqagen_jax.batch.select import conflicts, plan_outputs, select

# name of the kind -> (files, links, inputs, output folder, {input: output})
TREES = {
    "nested": (
        ["in/a.png", "in/x/b.TIF", "in/x/y/c.jpeg"],
        {},
        ["in"],
        "out",
        {
            "in/a.png": "out/a_rgb.png",
            "in/x/b.TIF": "out/x/b_rgb.TIF",
            "in/x/y/c.jpeg": "out/x/y/c_rgb.jpeg",
        },
    ),
    "a memory card": (
        ["in/000/1.tif", "in/001/1.tif", "in/001/deep/1.tif"],
        {},
        ["in"],
        "out",
        {
            "in/000/1.tif": "out/000/1_rgb.tif",
            "in/001/1.tif": "out/001/1_rgb.tif",
            "in/001/deep/1.tif": "out/001/deep/1_rgb.tif",
        },
    ),
    "no image at the top": (["in/x/a.png"], {}, ["in/"], "out", {"in/x/a.png": "out/x/a_rgb.png"}),
    "the current folder": (["x/a.png"], {}, ["."], "out", {"x/a.png": "out/x/a_rgb.png"}),
    "hidden": (
        ["in/a.png", "in/.b.png", "in/.thumbs/c.png", "in/x/.y/d.png"],
        {},
        ["in"],
        "out",
        {"in/a.png": "out/a_rgb.png"},
    ),
    "a hidden folder that is named": (
        [".in/a.png"],
        {},
        [".in"],
        "out",
        {".in/a.png": "out/a_rgb.png"},
    ),
    "a link to a folder": (
        ["in/a.png", "far/x/b.png"],
        {"in/link": "../far"},
        ["in"],
        "out",
        {"in/a.png": "out/a_rgb.png", "in/link/x/b.png": "out/link/x/b_rgb.png"},
    ),
    "a link as input": (["far/b.png"], {"in": "far"}, ["in"], "out", {"in/b.png": "out/b_rgb.png"}),
    "loops": (
        ["in/a.png", "in/x/b.png"],
        {"in/x/up": "..", "in/self": ".", "in/above": "../..", "in/m": "n", "in/n": "m"},
        ["in"],
        "out",
        {"in/a.png": "out/a_rgb.png", "in/x/b.png": "out/x/b_rgb.png"},
    ),
    "loops over another folder": (
        ["in/a.png", "far/b.png"],
        {"in/x": "../far", "far/back": "../in"},
        ["in"],
        "out",
        {"in/a.png": "out/a_rgb.png", "in/x/b.png": "out/x/b_rgb.png"},
    ),
    "a link beside its folder": (
        ["in/n/b.png", "in/p/q/c.png"],
        {"in/a": "n", "in/z": "n", "in/b": "p/q", "in/r": "p/q"},
        ["in"],
        "out",
        {"in/n/b.png": "out/n/b_rgb.png", "in/p/q/c.png": "out/p/q/c_rgb.png"},
    ),
    "loops in a glob": (
        ["in/a.png", "in/0/b.png"],
        {"in/0/loop": "..", "in/0/other": ".."},
        ["in/**/*.png"],
        "out",
        {"in/a.png": "out/a_rgb.png", "in/0/b.png": "out/0/b_rgb.png"},
    ),
    "two stars": (
        ["in/a.png", "in/x/a.png", "in/x/y/a.png", "in/x/y/b.tif"],
        {},
        ["in/**/*.png"],
        "out",
        {
            "in/a.png": "out/a_rgb.png",
            "in/x/a.png": "out/x/a_rgb.png",
            "in/x/y/a.png": "out/x/y/a_rgb.png",
        },
    ),
    "two stars at the start": (
        ["a.png", "x/y/a.png"],
        {},
        ["**/*.png"],
        "out",
        {"a.png": "out/a_rgb.png", "x/y/a.png": "out/x/y/a_rgb.png"},
    ),
    "stars before two stars": (
        ["in/1/nir/x/a.png", "in/2/nir/a.png", "in/2/red/a.png", "in/nir/a.png"],
        {},
        ["in/*/nir/**/*.png"],
        "out",
        {
            "in/1/nir/x/a.png": "out/1/nir/x/a_rgb.png",
            "in/2/nir/a.png": "out/2/nir/a_rgb.png",
        },
    ),
    "a star in a folder's name": (
        ["in/000/a.png", "in/001/a.png"],
        {},
        ["in/0*/a.png"],
        "out",
        {"in/000/a.png": "out/000/a_rgb.png", "in/001/a.png": "out/001/a_rgb.png"},
    ),
    "brackets in a folder's name": (
        ["in [1]/a.png", "in [1]/x/a.png"],
        {},
        ["in [1]/*.png", "in [1]/**/*.png"],
        "out",
        {"in [1]/a.png": "out/a_rgb.png", "in [1]/x/a.png": "out/x/a_rgb.png"},
    ),
    "two roots": (
        ["in/000/a.png", "in/000/b.png", "in/001/a.png"],
        {},
        ["in/000", "in/001"],
        "out",
        {
            "in/000/a.png": "out/000/a_rgb.png",
            "in/000/b.png": "out/000/b_rgb.png",
            "in/001/a.png": "out/001/a_rgb.png",
        },
    ),
    "two roots without equal names": (
        ["in/000/a.png", "in/001/b.png"],
        {},
        ["in/000", "in/001"],
        "out",
        {"in/000/a.png": "out/a_rgb.png", "in/001/b.png": "out/b_rgb.png"},
    ),
    "two roots of one name": (
        ["card1/DCIM/000/a.png", "card2/DCIM/000/a.png"],
        {},
        ["card1/DCIM", "card2/DCIM"],
        "out",
        {
            "card1/DCIM/000/a.png": "out/card1/DCIM/000/a_rgb.png",
            "card2/DCIM/000/a.png": "out/card2/DCIM/000/a_rgb.png",
        },
    ),
    "two roots, one a link": (
        ["real/a.png", "in/b.png"],
        {"in/link": "../real"},
        ["in/link", "real", "in"],
        "out",
        {"in/link/a.png": "out/a_rgb.png", "in/b.png": "out/b_rgb.png"},
    ),
    "as a shell expands it": (
        ["in/000/a.tif", "in/001/a.tif", "in/001/deep/a.tif"],
        {},
        ["in/000/a.tif", "in/001/a.tif", "in/001/deep/a.tif"],
        "out",
        {
            "in/000/a.tif": "out/000/a_rgb.tif",
            "in/001/a.tif": "out/001/a_rgb.tif",
            "in/001/deep/a.tif": "out/deep/a_rgb.tif",
        },
    ),
    "a folder in another": (
        ["in/a.png", "in/x/a.png"],
        {},
        ["in/x", "in"],
        "out",
        {"in/x/a.png": "out/x/a_rgb.png", "in/a.png": "out/in/a_rgb.png"},
    ),
    "a data set in a sub-folder": (
        ["in/x.png", "in/set/a_nir.png", "in/set/a_rgb.png", "in/set/c.png", "in/t/b_nir.png"],
        {},
        ["in"],
        "out",
        {
            "in/x.png": "out/x_rgb.png",
            "in/set/a_nir.png": "out/set/a_rgb.png",
            "in/t/b_nir.png": "out/t/b_rgb.png",
        },
    ),
    "a folder that was colored in place": (
        ["in/a.png", "in/a_rgb.png", "in/b_nir.png", "in/b_rgb.png", "in/c.png"],
        {},
        ["in"],
        "out",
        {
            "in/a.png": "out/a_rgb.png",
            "in/b_nir.png": "out/b_rgb.png",
            "in/c.png": "out/c_rgb.png",
        },
    ),
    "a folder that is being colored in place": (
        ["in/x/a.png", "in/x/b_nir.png", "in/x/b_rgb.png"],
        {},
        ["in"],
        "in",
        {"in/x/a.png": "in/x/a_rgb.png", "in/x/b_nir.png": "in/x/b_rgb.png"},
    ),
    "cases of extensions": (
        ["in/a.TIF", "in/b.JPEG", "in/c.PNG", "in/d.Tiff", "in/D.tiff", "in/c.png"],
        {},
        ["in"],
        "out",
        {
            "in/a.TIF": "out/a_rgb.TIF",
            "in/b.JPEG": "out/b_rgb.JPEG",
            "in/c.PNG": "out/c_rgb.PNG",
            "in/c.png": "out/c_rgb.png",
            "in/d.Tiff": "out/d_rgb.Tiff",
            "in/D.tiff": "out/D_rgb.tiff",
        },
    ),
    "unicode": (
        ["写真/夏 2024/é.png", "写真/夏 2024/e\u0301.png", "写真/😀/\udcff.png"],
        {},
        ["写真"],
        "出力",
        {
            "写真/夏 2024/é.png": "出力/夏 2024/é_rgb.png",
            "写真/夏 2024/e\u0301.png": "出力/夏 2024/e\u0301_rgb.png",
            "写真/😀/\udcff.png": "出力/😀/\udcff_rgb.png",
        },
    ),
    "the output folder in the input folder": (
        ["in/a.png", "in/x/b.png", "in/out/a_rgb.png", "in/out/x/b_rgb.png", "in/out/old.png"],
        {},
        ["in"],
        "in/out",
        {"in/a.png": "in/out/a_rgb.png", "in/x/b.png": "in/out/x/b_rgb.png"},
    ),
    "another output folder in the input folder": (
        [
            "in/a.png",
            "in/x/b_nir.png",
            "in/1/2/a_rgb.png",
            "in/1/2/x/b_rgb.png",
            "in/1/2/c_rgb.png",
            "in/1/2/b_rgb.tif",
            "in/3/b_rgb.png",
        ],
        {},
        ["in"],
        "out",
        {
            "in/a.png": "out/a_rgb.png",
            "in/x/b_nir.png": "out/x/b_rgb.png",
            "in/1/2/c_rgb.png": "out/1/2/c_rgb_rgb.png",
            "in/1/2/b_rgb.tif": "out/1/2/b_rgb_rgb.tif",
        },
    ),
    "the output folder in a glob": (
        ["in/a.png", "in/out/b.png"],
        {},
        ["in/**/*.png", "in/*/*.png"],
        "in/out",
        {"in/a.png": "in/out/a_rgb.png"},
    ),
    "outputs beside inputs": (
        [
            "in/a.png",
            "in/a_rgb.png",
            "in/b_nir.png",
            "in/b_rgb.png",
            "in/c_rgb.png",
            "in/a_rgb.tif",
        ],
        {},
        ["in"],
        "in",
        {
            "in/a.png": "in/a_rgb.png",
            "in/b_nir.png": "in/b_rgb.png",
            "in/c_rgb.png": "in/c_rgb_rgb.png",
            "in/a_rgb.tif": "in/a_rgb_rgb.tif",
        },
    ),
    "the output folder among the inputs, as a shell expands it": (
        ["in/a.png", "in/out/a_rgb.png", "in/out/x/b_rgb.png", "in/x/b.png"],
        {},
        ["in/a.png", "in/out", "in/x"],
        "in/out",
        {"in/a.png": "in/out/a_rgb.png", "in/x/b.png": "in/out/b_rgb.png"},
    ),
    "an output beside another folder's input, as a shell expands it": (
        ["in/a.png", "x/a_rgb.png"],
        {},
        ["in/a.png", "x/a_rgb.png"],
        "out",
        {"in/a.png": "out/a_rgb.png", "x/a_rgb.png": "out/a_rgb_rgb.png"},
    ),
    "outputs beside inputs, as a shell expands it": (
        ["in/a.png", "in/a_rgb.png", "in/b_rgb.png"],
        {},
        ["in/a.png", "in/a_rgb.png", "in/b_rgb.png"],
        "in",
        {"in/a.png": "in/a_rgb.png", "in/b_rgb.png": "in/b_rgb_rgb.png"},
    ),
}


@pytest.mark.parametrize("kind", TREES)
def test_where_the_colors_of_a_tree_go(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    names, links, inputs, out, want = TREES[kind]
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for link, target in links.items():
        Path(link).symlink_to(target)
    selection = select(inputs, out)
    jobs = plan_outputs(selection.files, Path(out), selection.roots)
    assert not conflicts(jobs)
    assert {str(source): str(target) for source, target in jobs} == want
