"""Trees of folders: which images are found, where their colors go, and what a second run does."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules, conflicts, plan_outputs, select

LONG = "n" * 250


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names, image=False):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if image:
            rng = np.random.default_rng(len(name))
            pixels = rng.integers(0, 256, (6, 7), np.uint8)
            Image.fromarray(pixels).save(name, "tiff" if ".tif" in name.lower() else "png")
        else:
            Path(name).touch()


def plan(*inputs, out="out"):
    """Where each input goes, as names."""
    selection = select(inputs, out)
    jobs = plan_outputs(selection.files, Path(out), selection.roots)
    assert not conflicts(jobs)
    assert len(set(jobs)) == len(jobs)
    return {str(source): str(target) for source, target in jobs}


def color(*inputs, out="out", **rules):
    return colorize_files(inputs, out, "grey", rules=Rules(**rules), progress=False)


def files(folder="."):
    return sorted(
        os.path.relpath(Path(parent, name), folder)
        for parent, _, names in os.walk(folder)
        for name in names
    )


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
def test_where_the_colors_of_a_tree_go(kind):
    names, links, inputs, out, want = TREES[kind]
    make(*names)
    for link, target in links.items():
        Path(link).symlink_to(target)
    assert plan(*inputs, out=out) == want


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "写", LONG]), max_size=3),
            st.sampled_from(["x", "y", LONG, "é" * 125, LONG[1:]]),
            st.sampled_from([".png", ".TIF", ".Jpeg"]),
        ),
        min_size=1,
        unique_by=str,
    )
)
def test_no_two_images_of_any_tree_meet(tmp_path_factory, tree):
    root = tmp_path_factory.mktemp("tree") / "in"
    for folders, stem, end in tree:
        path = root.joinpath(*folders, stem + end)
        if len(os.fsencode(path.name)) <= 255:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    (root / "z.png").parent.mkdir(exist_ok=True)
    (root / "z.png").touch()
    found = plan(str(root))
    assert len(found) == len(files(root))
    targets = [Path(target) for target in found.values()]
    assert len(set(targets)) == len(targets)
    for source, target in found.items():
        assert Path(source).parent.relative_to(root) == Path(target).parent.relative_to("out")
        assert Path(source).suffix == Path(target).suffix
        assert len(os.fsencode(Path(target).name)) <= 255


def test_a_sub_folder_that_cannot_be_listed(monkeypatch):
    make("in/a.png", "in/secret/b.png", "in/x/c.png")
    listing = Path.iterdir

    def deny(path):
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", deny)
    for name in ("in", "in/**/*.png"):
        selection = select([name], "out")
        assert [str(path) for path in selection.files] == ["in/a.png", "in/x/c.png"]
        ((folder, line),) = selection.refused
        assert folder == "in/secret"
        assert line == "in/secret: cannot be listed (Permission denied); check its rights"


def test_what_was_skipped_is_counted():
    make("in/a.png", "in/x/notes.txt", "in/a_rgb.png", "in/out/b.png", "in/out/x/c.tif")
    make("in/set/a_nir.png", "in/set/a_rgb.jpg", "in/set/b.png")
    selection = select(["in"], "in/out")
    assert [str(path) for path in selection.files] == ["in/a.png", "in/set/a_nir.png"]
    assert (selection.beside, selection.other, selection.written) == (2, 1, 3)
    assert selection.refused == ()


@pytest.mark.parametrize("out", ["in", "in/out", "in/deep/out", "out"])
@pytest.mark.parametrize("name", ["in", "in/**/*.*"])
def test_a_second_run_colors_what_is_new_alone(out, name, capsys):
    make("in/a.png", "in/b_nir.TIF", "in/x/a.png", "in/x/b.png", image=True)
    assert color(name, out=out) == 0
    before = files()
    assert len(before) == 8
    make("in/c.png", "in/x/c.png", image=True)
    capsys.readouterr()
    assert color(name, out=out, resume=True) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 coloured, 4 complete before, 0 failed; ")
    assert ("\n4 images that an earlier run wrote were left alone" in said) == (out != "out")
    assert files(out)[-1] == "x/c_rgb.png"
    assert len(files()) == len(before) + 4
    assert color(name, out=out, overwrite=True) == 0
    assert color(name, out=out) == 1  # each exists
    assert color(name, out="other") == 0
    assert len(files("other")) == 6


def test_resume_and_shares_over_a_tree(capsys):
    make("in/a.png", "in/x/a.png", "in/x/y/a.png", "in/z/b.TIF", image=True)
    for number in range(3):
        assert color("in", share=(number, 3)) == 0
    want = ["a_rgb.png", "x/a_rgb.png", "x/y/a_rgb.png", "z/b_rgb.TIF"]
    assert files("out") == want
    Path("out/x/y/a_rgb.png").write_bytes(Path("out/x/y/a_rgb.png").read_bytes()[:-5])
    Path("out/z/b_rgb.TIF").unlink()
    capsys.readouterr()
    assert color("in", resume=True) == 0
    assert capsys.readouterr().out.startswith("2 coloured, 2 complete before, 0 failed; ")
    assert files("out") == want


@pytest.mark.parametrize("letter", ["n", "é", "写", "😀"])
@pytest.mark.parametrize("end", [".png", ".TIF"])
def test_names_of_255_bytes(letter, end, capsys):
    width = len(letter.encode())
    stem = letter * ((255 - len(end) - 2) // width)
    names = [f"in/{stem}{number:02}{end}" for number in range(2)]  # differ at the end alone
    names += [f"in/{'s' * length}{end}" for length in (226, 227, 230, 247, 248)]
    make(*names, image=True)
    assert color("in") == 0
    written = files("out")
    assert len(written) == len(names)
    assert all(name.endswith(f"_rgb{end}") for name in written)
    assert max(len(name.encode()) for name in written) <= 255
    assert sum("~" in name for name in written) == 3
    Path("out", f".{'s' * 226}_rgb{end}.7.part").touch()
    capsys.readouterr()
    assert color("in", resume=True) == 0
    assert capsys.readouterr().out.startswith(f"0 coloured, {len(names)} complete before, ")
    assert files("out") == written
    assert color("in", out="in") == 0
    assert color("in", out="in", resume=True) == 0
    assert len(files("in")) == 2 * len(names)
