"""Files of other programs: rotated, compressed, with a palette, or in other color spaces."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.images.decode import decode

SMOOTH8 = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 3
SMOOTH16 = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint16) * 800
COLORS = np.stack([SMOOTH8, 255 - SMOOTH8, SMOOTH8 // 2 + 60], axis=-1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_images_are_rotated_upright(tmp_path, orientation, extension):
    path = tmp_path / f"a.{extension}"
    stored = Image.fromarray(SMOOTH8)
    stored.getexif()[274] = orientation
    want = np.asarray(ImageOps.exif_transpose(stored))
    if extension == "tif":
        tifffile.imwrite(path, SMOOTH8, extratags=[(274, 3, 1, orientation, True)])
    else:
        stored.save(path, quality=100, exif=stored.getexif())
    got = image_files.read_nir(path)
    assert got.shape == want.shape == image_files.read_size(path)
    assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd", None])
@pytest.mark.parametrize("tile", [(16, 16), None])
def test_lossless_tiff_compression_keeps_16_bits(tmp_path, byteorder, compression, tile):
    options = {"byteorder": byteorder, "compression": compression, "tile": tile}
    predictor = compression in ("lzw", "deflate")
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH16, predictor=predictor, **options)
    got = image_files.read_nir(tmp_path / "a.tif")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, SMOOTH16)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_in_a_tiff_is_decoded(tmp_path, mode):
    image = SMOOTH8 if mode == "L" else COLORS
    photometric = "minisblack" if mode == "L" else "rgb"  # which is stored as YCbCr
    tifffile.imwrite(tmp_path / "a.tif", image, compression="jpeg", photometric=photometric)
    with Image.open(tmp_path / "a.tif") as file:
        want = np.asarray(file.convert(mode)) / 255
    if mode == "L":
        got = image_files.read_nir(tmp_path / "a.tif") / 255
    else:
        got = image_files.read_rgb(tmp_path / "a.tif")
    np.testing.assert_allclose(got, want, atol=2.01 / 255)
    np.testing.assert_allclose(got, image / 255, atol=0.05)


def test_a_truncated_jpeg_in_a_tiff_is_refused(tmp_path):
    """libjpeg alone would fill in the missing part."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", noise, compression="jpeg")
    data = (tmp_path / "a.tif").read_bytes()
    for share in (0.3, 0.7, 0.95):
        (tmp_path / "a.tif").write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match=r"a\.tif: (truncated|has a damaged|not)"):
            image_files.read_nir(tmp_path / "a.tif")


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_12_bits_are_scaled_to_16(tmp_path, photometric):
    shape = (32, 48, 3) if photometric == "rgb" else (32, 48)
    values = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, bitspersample=12, photometric=photometric)
    got = decode((tmp_path / "a.tif").read_bytes(), "a.tif").pixels
    assert got.dtype == np.uint16
    want = values if photometric == "rgb" else values[..., None]
    np.testing.assert_allclose(got / 65_535, want / 4095, atol=0.51 / 65_535)


def test_a_thumbnail_before_the_image_is_skipped(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(SMOOTH8[::4, ::4], subfiletype=1, metadata=None)
        file.write(SMOOTH8, metadata=None)
    assert image_files.read_size(tmp_path / "a.tif") == SMOOTH8.shape
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), SMOOTH8)


def test_nan_in_a_color_file_is_no_data(tmp_path):
    floats = (COLORS / 255).astype(np.float32)
    floats[3, 4, 1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", floats, photometric="rgb")
    missing = np.ma.getmaskarray(image_files.read_rgb(tmp_path / "a.tif"))
    assert missing[3, 4].all()
    assert missing.sum() == 3


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_a_palette_is_replaced_by_its_colors(tmp_path, extension):
    indexed = Image.fromarray(COLORS).quantize(32)
    indexed.save(tmp_path / f"a.{extension}")
    got = image_files.read_rgb(tmp_path / f"a.{extension}")
    np.testing.assert_allclose(got, np.asarray(indexed.convert("RGB")) / 255, atol=0.5 / 255)


@pytest.mark.parametrize("unit", [1, 256, 257])
def test_a_gray_palette_in_a_tiff_is_read_as_nir(tmp_path, unit):
    """The standard has 16-bit palettes; programs write 8 bits, shifted or repeated."""
    ramp = np.stack([np.arange(255, -1, -1) * unit] * 3).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH8, photometric="palette", colormap=ramp)
    got = image_files.read_nir(tmp_path / "a.tif")
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, 255 - SMOOTH8)


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("a.jpg", "CMYK", "is a CMYK image; convert it to gray or RGB"),
        ("a.tif", "CMYK", r"unsupported TIFF \(SEPARATED, uint8, .*; save it as gray or RGB"),
        ("a.tif", "YCbCr", r"unsupported TIFF \(YCBCR, uint8"),
        ("a.tif", "LAB", r"unsupported TIFF \(CIELAB, uint8"),
    ],
)
def test_other_color_spaces_are_refused_by_name(tmp_path, name, mode, problem):
    image = Image.fromarray(COLORS)
    if mode == "LAB":
        tifffile.imwrite(tmp_path / name, COLORS, photometric="cielab")
    else:
        image.convert(mode).save(tmp_path / name)
    for read in (image_files.read_nir, image_files.read_rgb):
        with pytest.raises(InputError, match=problem) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
