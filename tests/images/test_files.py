"""Files written by other libraries are read; each damaged file is refused in one line."""

import io
import os
import signal
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.system import files

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
GRAY16 = RNG.integers(0, 65_536, (5, 7), dtype=np.uint16)
GRAY32 = RNG.normal(size=(5, 7)).astype(np.float32)
RGB8 = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
SMOOTH8 = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 3


def refused(path, reader=image_files.read_nir):
    with pytest.raises(InputError) as info:
        reader(path)
    message = str(info.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert ";" in message, "no remedy"
    return message


@pytest.mark.parametrize("image", [GRAY8, GRAY16])
def test_png_files_of_pillow_are_read(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    got = image_files.read_nir(tmp_path / "a.png")
    assert got.dtype == image.dtype
    np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize("image", [GRAY8, GRAY16, GRAY32])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "lzw", "tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}]
)
def test_tiff_files_of_tifffile_are_read(tmp_path, image, options):
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    got = image_files.read_nir(tmp_path / "a.tif")
    assert got.dtype == image.dtype
    np.testing.assert_array_equal(got, image)


def test_tiff_with_white_as_zero_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GRAY16, photometric="miniswhite")
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), 65_535 - GRAY16)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_with_equal_bands_and_opaque_alpha_is_gray(tmp_path, planar):
    bands = np.stack([GRAY16] * 3 + [np.full_like(GRAY16, 65_535)], -1 if planar == "contig" else 0)
    tifffile.imwrite(
        tmp_path / "a.tif", bands, photometric="rgb", planarconfig=planar, extrasamples=[2]
    )
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), GRAY16)


def test_the_content_decides_the_format_not_the_extension(tmp_path):
    tifffile.imwrite(tmp_path / "a.png", GRAY16)
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.png"), GRAY16)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_png_modes_that_hold_a_gray_image_are_read(tmp_path, mode):
    gray = GRAY8 if mode != "1" else np.where(GRAY8 > 127, 255, 0).astype(np.uint8)
    Image.fromarray(gray).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.png"), gray)


def test_gray_jpeg_saved_as_rgb_is_read_as_gray(tmp_path):
    Image.fromarray(SMOOTH8).convert("RGB").save(tmp_path / "a.jpg", quality=90)
    assert np.abs(image_files.read_nir(tmp_path / "a.jpg").astype(int) - SMOOTH8).max() < 8


def test_damaged_exif_is_ignored(tmp_path):
    Image.fromarray(SMOOTH8).save(tmp_path / "a.jpg", exif=b"Exif\0\0nonsense")
    assert image_files.read_nir(tmp_path / "a.jpg").shape == SMOOTH8.shape


def test_rgb_is_scaled_by_its_depth(tmp_path):
    Image.fromarray(RGB8).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", RGB8.astype(np.uint16) * 257, photometric="rgb")
    for name in ("a.png", "a.tif"):
        got = image_files.read_rgb(tmp_path / name)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, RGB8 / 255, atol=1e-7)


def test_gray_and_floats_out_of_range_are_refused_as_color(tmp_path):
    Image.fromarray(GRAY8).save(tmp_path / "gray.png")
    assert "give a color image" in refused(tmp_path / "gray.png", image_files.read_rgb)
    tifffile.imwrite(tmp_path / "f.tif", RGB8.astype(np.float32), photometric="rgb")
    assert "float in [0, 1]" in refused(tmp_path / "f.tif", image_files.read_rgb)


def test_what_is_no_image_file_is_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing.png")
    assert "is a directory" in refused(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty (0 bytes)" in refused(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("hello")
    assert "not a PNG, JPEG or TIFF image (it starts with b'hell')" in refused(
        tmp_path / "text.png"
    )


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    def deny(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "stat", deny)
    assert "cannot be read (Permission denied)" in refused(tmp_path / "a.png")


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    for reader in (image_files.read_nir, image_files.read_size):
        assert "is a pipe or a device" in refused(tmp_path / "a.png", reader)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "lzw"])
def test_a_truncated_file_is_refused(tmp_path, kind, fraction, capfd):
    image = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
    path = tmp_path / "a.img"
    if kind in ("png", "jpg"):
        Image.fromarray(image).save(path, format="PNG" if kind == "png" else "JPEG")
    else:
        tifffile.imwrite(path, image, compression="lzw" if kind == "lzw" else None)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * fraction)])
    assert "truncated" in refused(path)
    assert capfd.readouterr() == ("", "")


def test_a_color_photograph_is_refused_as_nir(tmp_path):
    image = np.stack([GRAY8 // 2] * 3, -1)
    image[1:4, 3, 0] += 100  # 3 of 35 pixels
    Image.fromarray(image).save(tmp_path / "a.png")
    message = refused(tmp_path / "a.png")
    assert (
        "color photograph (8.57 % of its pixels are colored; its channels differ by up to 100, "
        "8.57 on average, of 255)" in message
    )


def test_transparent_pixels_hold_no_data(tmp_path):
    image = np.stack([GRAY8, np.full_like(GRAY8, 255)], -1)
    image[0, :2, 1] = 0
    Image.fromarray(image).save(tmp_path / "a.png")
    got = image_files.read_nir(tmp_path / "a.png")
    np.testing.assert_array_equal(np.ma.getmaskarray(got), image[..., 1] == 0)
    np.testing.assert_array_equal(got.data, GRAY8)


def test_unsupported_layouts_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([GRAY8] * 3), photometric="minisblack")
    assert "holds 3 images" in refused(tmp_path / "stack.tif")
    bands = np.stack([GRAY8] * 6, -1)
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    assert "has 6 bands (1, 2, 3, 4, 5, 6); extract the NIR band first, or name it" in refused(
        tmp_path / "bands.tif"
    )


def test_a_thumbnail_after_the_image_is_skipped(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAY8, metadata=None)
        file.write(GRAY8[::2, ::2], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), GRAY8)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("a.png", "uint8"),
        ("a.png", "uint16"),
        ("A.TIFF", "uint8"),
        ("a.tif", "uint16"),
        ("a.tif", "float32"),
    ],
)
def test_written_pixels_are_exact(tmp_path, name, dtype):
    image = RGB8.astype(dtype) * (257 if dtype == "uint16" else 1)
    image_files.write(tmp_path / name, image)
    got = imagecodecs.imread(tmp_path / name)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, image)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_pillow_reads_written_files(tmp_path, name):
    image_files.write(tmp_path / name, RGB8)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(np.asarray(image), RGB8)


def test_jpeg_keeps_the_full_color_resolution(tmp_path):
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 200, 30, 30
    stripes[:, 1::2] = 30, 30, 200
    image_files.write(tmp_path / "a.jpg", stripes)
    with Image.open(tmp_path / "a.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - stripes).max() < 30


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("a.jpg", "uint16", ".jpg cannot hold uint16"),
        ("a.png", "float32", ".png cannot hold float32"),
        ("a.bin", "uint8", "extension '.bin' is none of"),
    ],
)
def test_types_that_a_format_cannot_hold_are_refused(tmp_path, name, dtype, message):
    with pytest.raises(InputError, match=message):
        image_files.write(tmp_path / name, RGB8.astype(dtype))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "a.png").write_bytes(b"before")
    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match=r"a\.png: cannot be written \(No space left on device\)"):
        image_files.write(tmp_path / "a.png", RGB8)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"before"


def test_writing_into_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        image_files.write(tmp_path / "nowhere" / "a.png", RGB8)


def test_a_killed_process_leaves_no_file_under_the_final_name(tmp_path):
    """The process is killed after half of the bytes."""
    code = f"""
import os, signal
from pathlib import Path
from haqagen_jax.system import files

with files.replaced(Path({str(tmp_path / "a.png")!r})) as file:
    file.write(b"half of the bytes")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == -signal.SIGKILL
    names = [p.name for p in tmp_path.iterdir()]
    assert len(names) == 1
    assert names[0].startswith(".a.png.")
    assert names[0].endswith(".part")


def test_a_tiff_of_its_header_alone_is_refused(tmp_path):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GRAY8)
    (tmp_path / "a.tif").write_bytes(buffer.getvalue()[:8])
    refused(tmp_path / "a.tif")
