"""Runs over trees of folders: any tree, a second run, shares, long names, what is counted."""

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
    assert said.startswith("2 colored, 4 complete before, 0 failed; ")
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
    assert capsys.readouterr().out.startswith("2 colored, 2 complete before, 0 failed; ")
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
    assert capsys.readouterr().out.startswith(f"0 colored, {len(names)} complete before, ")
    assert files("out") == written
    assert color("in", out="in") == 0
    assert color("in", out="in", resume=True) == 0
    assert len(files("in")) == 2 * len(names)
