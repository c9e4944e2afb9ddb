"""Which files are meant, and what their colored versions are called."""

import os
from pathlib import Path

import pytest

from haqagen_jax.batch.select import plan_outputs, select
from haqagen_jax.errors import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in/sub.png").mkdir(parents=True)
    for name in ("b.png", "a.TIF", "c.jpeg", "notes.txt", ".hidden.png"):
        Path("in", name).touch()
    return tmp_path


def names(selection):
    return [str(path) for path in selection.files]


def test_a_folder_stands_for_its_images(folder):
    selection = select(["in"])
    assert names(selection) == ["in/a.TIF", "in/b.png", "in/c.jpeg"]
    assert (selection.other, selection.beside) == (1, 0)


def test_a_data_set_folder_stands_for_its_nir_images(folder):
    for name in ("x_nir.png", "x_rgb.png"):
        Path("in", name).touch()
    selection = select(["in"])
    assert names(selection) == ["in/x_nir.png"]
    assert (selection.other, selection.beside) == (1, 4)
    Path("in/x_rgb.png").unlink()
    assert len(select(["in"]).files) == 4


def test_globs_and_repeats(folder):
    assert names(select(["in/*.png", "in/b.png", "in/c.jpeg"])) == ["in/b.png", "in/c.jpeg"]


def test_a_name_with_brackets_is_a_name(folder):
    Path("in/[1].png").touch()
    assert names(select(["in/[1].png"])) == ["in/[1].png"]


@pytest.mark.parametrize("name", ["nothing.png", "in/*.bmp", "loop.png", "x" * 300 + ".png"])
def test_what_cannot_be_read_is_kept_for_the_reader_to_report(folder, name):
    Path("loop.png").symlink_to("loop.png")
    assert names(select(["in/a.TIF", name])) == ["in/a.TIF", name]
    sources = [Path("in/a.TIF"), Path(name)]
    assert [source for source, _ in plan_outputs(sources, Path("out"))] == sources


def test_a_folder_without_an_image_or_rights_does_not_stop_the_others(folder, monkeypatch):
    listing = Path.iterdir

    def deny(path):
        if path.name == "secret":
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(Path, "iterdir", deny)
    Path("secret").mkdir()
    selection = select(["in/sub.png", "secret", "in/b.png"])
    assert names(selection) == ["in/b.png"]
    empty, secret = selection.refused
    assert empty[0] == "in/sub.png"
    assert empty[1].startswith("in/sub.png: holds no PNG, JPEG or TIFF image; ")
    assert secret == ("secret", "secret: cannot be listed (Permission denied); check its rights")
    assert plan_outputs((), Path("out.png")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_parent_folder_without_rights(folder):
    Path("in").chmod(0)
    try:
        assert names(select(["in/b.png", "x.png"])) == ["in/b.png", "x.png"]
        assert plan_outputs([Path("x.png")], Path("in/out"))
    finally:
        Path("in").chmod(0o700)


def test_nothing_to_do(folder):
    with pytest.raises(InputError, match="no input"):
        select([])


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("X_nir.png", "X_rgb.png"),
        ("X_NIR.TIFF", "X_rgb.TIFF"),
        ("X.jpg", "X_rgb.jpg"),
        ("X_nirvana.png", "X_nirvana_rgb.png"),
        ("nir.png", "nir_rgb.png"),
        ("a.b_nir.tif", "a.b_rgb.tif"),
        ("X_rgb.png", "X_rgb_rgb.png"),
    ],
)
def test_names_in_a_folder(folder, name, want):
    source = Path("in", name)
    assert plan_outputs([source], Path("out")) == [(source, Path("out", want))]


def test_one_input_one_file(folder):
    source = Path("in/b.png")
    assert plan_outputs([source], Path("c.tif")) == [(source, Path("c.tif"))]
    assert plan_outputs([source], Path("in/sub.png")) == [(source, Path("in/sub.png/b_rgb.png"))]


@pytest.mark.parametrize(
    ("files", "out", "message"),
    [
        (["a.png", "b.png"], "out.png", r"out\.png: one output file for 2 inputs"),
        (["in/b.png"], "in/notes.txt", r"notes\.txt: is a file without an image extension"),
    ],
)
def test_refused_before_work(folder, files, out, message):
    with pytest.raises(InputError, match=message):
        plan_outputs([Path(file) for file in files], Path(out))


def test_two_stars_are_folders_of_any_depth(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    expected = [tmp_path / "x.png", tmp_path / "a" / "y.png", deep / "z.png"]
    for path in expected:
        path.touch()
    assert set(select([str(tmp_path / "**" / "*.png")]).files) == set(expected)
