"""Files as sources: the same pixels in parts as in memory, and what is refused."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.images import source
from haqagen_jax.images.source import open_nir
from haqagen_jax.images.stream import ArraySource
from haqagen_jax.images.tiff_source import TiffSource

IMAGE = np.random.default_rng(0).integers(0, 60_000, (60, 50), dtype=np.uint16)


@pytest.fixture
def large(monkeypatch):
    """Treat all images as large."""
    monkeypatch.setattr(source, "BLOCK", 100)


@pytest.mark.parametrize("options", [{"tile": (16, 16), "compression": "zlib"}, {}])
def test_a_large_plain_tiff_is_read_in_parts(tmp_path, large, options):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, **options)
    opened = open_nir(tmp_path / "a.tif")
    assert isinstance(opened.source, TiffSource)
    np.testing.assert_array_equal(opened.source.rows(0, 60), IMAGE)
    opened.header.require_unchanged()


def test_other_files_are_read_whole(tmp_path, large):
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "rotated.tif", IMAGE, extratags=[(274, 3, 1, 6, True)])
    for name in ("a.png", "rotated.tif"):
        opened = open_nir(tmp_path / name)
        assert isinstance(opened.source, ArraySource)
        assert opened.source.dtype == np.uint16
        expected = image_files.read_nir(tmp_path / name)
        np.testing.assert_array_equal(opened.source.rows(0, len(expected)), expected)


def test_small_files_are_read_whole(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    assert isinstance(open_nir(tmp_path / "a.tif").source, ArraySource)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_more_pixels_than_the_limit_are_refused(tmp_path, large, name):
    image_files.write(tmp_path / name, IMAGE)
    open_nir(tmp_path / name, 3000)
    with pytest.raises(InputError, match=r"a\.\w+: 60x50 pixels are more than 2,999; give --max-p"):
        open_nir(tmp_path / name, 2999)


def test_the_default_limit_applies_to_files_that_are_read_whole(tmp_path, large, monkeypatch):
    monkeypatch.setattr(source, "MAX_PIXELS", 2999)
    image_files.write(tmp_path / "a.png", IMAGE)
    image_files.write(tmp_path / "a.tif", IMAGE)
    open_nir(tmp_path / "a.tif")
    monkeypatch.setattr(source, "decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match="60x50 pixels are more than 2,999"):
        open_nir(tmp_path / "a.png")


def change_content(path):
    os.utime(path, ns=(1, 1))


def change_length(path):
    with path.open("ab") as file:
        file.write(b"\0")


def remove(path):
    path.unlink()


@pytest.mark.parametrize("change", [change_content, change_length, remove])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, large, change, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE)
    opened = open_nir(path)
    change(path)
    with pytest.raises(InputError, match=r"^has changed while it was read; color it again$"):
        opened.header.require_unchanged()


def test_a_file_that_changes_while_it_is_read_whole_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    image_files.write(path, IMAGE)
    decode = source.decode

    def decode_and_change(data, name, number):
        change_length(path)
        return decode(data, name, number)

    monkeypatch.setattr(source, "decode", decode_and_change)
    with pytest.raises(InputError, match=r"a\.png: has changed while it was read"):
        open_nir(path)


def test_errors_of_damaged_files_name_the_file(tmp_path, large):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"a\.tif: truncated \(a TIFF without its last pixels\)"):
        open_nir(path)
    path.write_bytes(b"II*\0" + b"\xff" * 20)
    with pytest.raises(InputError, match=r"a\.tif: "):
        open_nir(path)
