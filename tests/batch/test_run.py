"""Whole runs over files with the gray baseline: the identity, so pixels can be compared."""

import os

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from haqagen_jax.batch import run as module
from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules
from haqagen_jax.errors import InputError
from haqagen_jax.inference.settings import Settings
from haqagen_jax.system import files


def full_range(dtype, shape=(20, 30)):
    top = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    values = np.linspace(0, 1, shape[0] * shape[1]) * top
    return np.random.default_rng(0).permutation(values).reshape(shape).astype(dtype)


def color(*inputs, out, report=None, progress=True, **rules):
    names = [str(i) for i in inputs]
    report = None if report is None else str(report)
    rules = Rules(**rules)
    plain = Settings(stretch=(0.0, 100.0))
    return colorize_files(names, str(out), "grey", plain, rules, report=report, progress=progress)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def good(tmp_path):
    """A folder with one good image in it."""
    (tmp_path / "in").mkdir()
    Image.fromarray(full_range("uint8")).save(tmp_path / "in" / "good_nir.png")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("X_nir.png", "uint8"),
        ("X_nir.png", "uint16"),
        ("X_nir.tif", "uint8"),
        ("X_nir.TIFF", "uint16"),
        ("X_nir.tif", "float32"),
    ],
)
def test_bit_depth_and_extension_are_kept(tmp_path, name, dtype):
    nir = full_range(dtype)
    if name.endswith("png"):
        Image.fromarray(nir).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, nir)
    assert color(tmp_path / name, out=tmp_path / "out") == 0
    got = imagecodecs.imread(tmp_path / "out" / name.replace("_nir", "_rgb"))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.repeat(nir[..., None], 3, -1), rtol=0, atol=1e-6)


def test_jpeg_stays_a_good_jpeg(tmp_path):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 16, 0)
    Image.fromarray(ramp).save(tmp_path / "X.jpg", quality=100)
    assert color(tmp_path / "X.jpg", out=tmp_path) == 0
    with Image.open(tmp_path / "X_rgb.jpg") as image:
        assert isinstance(image, JpegImageFile)
        assert image.format == "JPEG"
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
        assert np.abs(np.asarray(image).astype(int) - ramp[..., None]).max() <= 4


def test_odd_types_become_what_can_be_written(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", full_range("uint16").astype(np.int32))
    tifffile.imwrite(tmp_path / "b.tif", full_range("float64"))
    assert color(tmp_path / "a.tif", tmp_path / "b.tif", out=tmp_path / "out") == 0
    assert imagecodecs.imread(tmp_path / "out" / "a_rgb.tif").dtype == np.uint16
    assert imagecodecs.imread(tmp_path / "out" / "b_rgb.tif").dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (300, 2)])
def test_small_and_narrow_images(tmp_path, shape):
    nir = np.full((1, 1), 77, np.uint8) if shape == (1, 1) else full_range("uint8", shape)
    Image.fromarray(nir).save(tmp_path / "a.png")
    assert color(tmp_path / "a.png", out=tmp_path / "b.png") == 0
    np.testing.assert_array_equal(imagecodecs.imread(tmp_path / "b.png")[..., 1], nir)


def bad_files(folder):
    """Writes one file of each kind that must be refused; returns name -> part of the message."""
    image = full_range("uint8")
    Image.fromarray(image).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:300])
    Image.fromarray(image).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-20])
    (folder / "empty.tif").touch()
    (folder / "text.png").write_text("not a picture")
    Image.fromarray(np.stack([image, image // 2, image], -1)).save(folder / "colour.png")
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(folder / "flat.png")  # with --strict
    tifffile.imwrite(folder / "nothing.tif", np.full((4, 5), np.nan, np.float32))
    tifffile.imwrite(folder / "complex.tif", full_range("float32").astype(np.complex64))
    return {
        "cut.png": "truncated",
        "cut.jpg": "truncated",
        "empty.tif": "empty (0 bytes)",
        "text.png": "not a PNG, JPEG or TIFF",
        "colour.png": "color photograph",
        "flat.png": "all 16 pixels have the value 9",
        "nothing.tif": "no pixels with data",
        "complex.tif": "unsupported TIFF (MINISBLACK, complex64",
    }


def test_every_bad_file_is_one_line_and_the_good_ones_are_done(good, tmp_path, capfd):
    expected = bad_files(good)
    missing = good / "missing.png"
    out = tmp_path / "out"
    assert color(good, missing, out=out, progress=False, strict=True) == 1
    stdout, stderr = capfd.readouterr()
    lines = stderr.splitlines()
    assert len(lines) == len(expected) + 1
    for name, part in (expected | {"missing.png": "no such file"}).items():
        (line,) = [line for line in lines if f"/{name}: " in line]
        assert line.startswith(f"haqagen: {good / name}: ")
        assert part in line
        assert ";" in line, "no remedy"
    assert [path.name for path in out.iterdir()] == ["good_rgb.png"]
    assert stdout.startswith(f"1 colored, {len(lines)} failed; 0.00 megapixels in ")
    assert stdout.splitlines()[0].endswith(str(out))


def test_long_names_stay_on_one_line(tmp_path, capfd):
    path = tmp_path / ("x" * 200 + ".png")
    path.write_text("[bold]:smile:")
    assert color(path, out=tmp_path / "out") == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("haqagen:")]
    assert line.endswith("convert it to one of them")


def test_existing_outputs_need_overwrite(good, tmp_path, capfd):
    target = tmp_path / "out" / "good_rgb.png"
    target.parent.mkdir()
    target.write_bytes(b"mine")
    assert color(good, out=tmp_path / "out", progress=False) == 1
    assert f"haqagen: {target}: exists; add --overwrite" in capfd.readouterr().err
    assert target.read_bytes() == b"mine"
    assert color(good, out=tmp_path / "out", overwrite=True, progress=False) == 0
    assert imagecodecs.imread(target).shape == (20, 30, 3)


def test_depth_is_checked_before_the_work(good, tmp_path, capfd, monkeypatch):
    Image.fromarray(full_range("uint16")).save(good / "deep.png")
    monkeypatch.setattr(module.Colorizer, "job", lambda *_, **__: pytest.fail("worked"))
    assert color(good / "deep.png", out=tmp_path / "a.jpg", progress=False) == 1
    assert ".jpg cannot hold uint16" in capfd.readouterr().err
    assert not (tmp_path / "a.jpg").exists()


def test_a_clash_costs_its_files_only(good, tmp_path, capfd):
    for name in ("good.png", "other.png", "other_7.TIF"):
        Image.fromarray(full_range("uint8")).save(good / name, "png")
    assert color(good, out=tmp_path / "out", progress=False) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    for line, name, other in zip(
        lines, ("good.png", "good_nir.png"), ("good_nir.png", "good.png"), strict=True
    ):
        assert line.startswith(f"haqagen: {good / name}: it and {good / other} would both become ")
    assert names(tmp_path / "out") == ["other_7_rgb.TIF", "other_rgb.png"]


def test_an_output_that_is_an_input_costs_its_file_only(good, tmp_path, capfd):
    other = tmp_path / "other"
    other.mkdir()
    for path in (good / "a.png", other / "a_rgb.png", other / "b.png"):
        Image.fromarray(full_range("uint8")).save(path)
    before = (other / "a_rgb.png").read_bytes()
    inputs = good / "a.png", other / "a_rgb.png", other / "b.png"
    assert color(*inputs, out=other, overwrite=True, progress=False) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"haqagen: {good / 'a.png'}: its output {other / 'a_rgb.png'} is an inp")
    assert names(other) == ["a_rgb.png", "a_rgb_rgb.png", "b.png", "b_rgb.png"]
    assert (other / "a_rgb.png").read_bytes() == before
    assert color(other / "b.png", out=other / "b.png", overwrite=True, progress=False) == 1


def test_a_sub_folder_that_cannot_be_made_costs_its_files_only(good, tmp_path, capfd):
    (good / "000").mkdir()
    Image.fromarray(full_range("uint8")).save(good / "000" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000").touch()
    assert color(good, out=tmp_path / "out", progress=False) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"haqagen: {good / '000' / 'a.png'}: {tmp_path / 'out' / '000'}: cannot")
    assert names(tmp_path / "out") == ["000", "good_rgb.png"]


def test_a_black_frame_leaves_no_hole(tmp_path, capfd):
    clip = tmp_path / "clip"
    clip.mkdir()
    for number in range(5):
        frame = full_range("uint8") if number != 2 else np.zeros((20, 30), np.uint8)
        Image.fromarray(frame).save(clip / f"frame_{number}.png")
    assert color(clip, out=tmp_path / "out", progress=False) == 0
    stdout, stderr = capfd.readouterr()
    assert stdout.startswith("5 colored, 0 failed; ")
    (line,) = stderr.splitlines()
    assert line.startswith(f"haqagen: {clip / 'frame_2.png'}: all pixels have the value 0; ")
    assert names(tmp_path / "out") == [f"frame_{number}_rgb.png" for number in range(5)]
    got = imagecodecs.imread(tmp_path / "out" / "frame_2_rgb.png")
    np.testing.assert_array_equal(got, np.zeros((20, 30, 3), np.uint8))
    assert color(clip, out=tmp_path / "strict", strict=True, progress=False) == 1
    assert "frame_2.png: all 600 pixels have the value 0, which hol" in capfd.readouterr().err
    assert len(names(tmp_path / "strict")) == 4


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [("a.tif", 77, "uint16"), ("a.tif", 0.25, "float32"), ("a.png", 65_535, "uint16")],
)
def test_an_image_of_one_value_that_is_read_by_parts(tmp_path, name, value, dtype):
    nir = np.full((1200, 1000), value, dtype)
    if name.endswith("png"):
        Image.fromarray(nir).save(tmp_path / name)
    else:
        tifffile.imwrite(tmp_path / name, nir, rowsperstrip=10)
    assert color(tmp_path / name, out=tmp_path / "out") == 0
    got = imagecodecs.imread(tmp_path / "out" / name.replace("a.", "a_rgb."))
    np.testing.assert_array_equal(got, np.full((1200, 1000, 3), value, dtype))


def test_an_output_folder_that_cannot_be_made(good, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/out: cannot be made .*another folder"):
        color(good, out=tmp_path / "file" / "out")


def test_an_output_folder_that_cannot_be_written_into(good, tmp_path, monkeypatch):
    def deny(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", deny)
    monkeypatch.setattr(module, "open_images", lambda *_: pytest.fail("worked"))
    with pytest.raises(InputError, match=r"out: cannot be written into \(Perm.*another folder"):
        color(good, out=tmp_path / "out")


def test_a_folder_in_the_way_is_seen_before_the_work(good, tmp_path, capfd, monkeypatch):
    (tmp_path / "out" / "good_rgb.png").mkdir(parents=True)
    monkeypatch.setattr(module, "open_images", lambda *_: pytest.fail("worked"))
    assert color(good, out=tmp_path / "out", overwrite=True, progress=False) == 1
    assert "good_rgb.png: is a folder; choose another output" in capfd.readouterr().err


def test_what_is_no_picture_is_a_line_each(good, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    (good / "loop.png").symlink_to("loop.png")
    os.mkfifo(good / "pipe.png")
    (good / "a\n[bold]b.png").touch()
    assert color(good, tmp_path / "empty", out=tmp_path / "out") == 1
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("haqagen: ")]
    assert len(lines) == 4
    for part in (
        "empty: holds no PNG, JPEG or TIFF image; ",
        "loop.png: cannot be read (Too many levels of symbolic links); ",
        "pipe.png: is a pipe or a device; ",
        r"a\n[bold]b.png: is empty (0 bytes); ",
    ):
        assert any(part in line for line in lines), part
    assert out.startswith("1 colored, 4 failed; ")


def test_nothing_but_an_empty_folder(tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    assert color(tmp_path / "empty", out=tmp_path / "a.png", progress=False) == 1
    assert capfd.readouterr().out.startswith("0 colored, 1 failed; ")


def test_the_summary_tells_what_was_left_alone(good, tmp_path, capfd):
    Image.fromarray(full_range("uint8")).save(good / "good_rgb.png")
    (good / "notes.txt").touch()
    assert color(good, out=tmp_path / "out") == 0
    stdout, stderr = capfd.readouterr()
    assert "1 images beside *_nir ones were left alone (a data set)" in stdout
    assert "1 files that are not images were skipped" in stdout
    assert "1/1" in stderr
