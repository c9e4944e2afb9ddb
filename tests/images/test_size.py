"""Sizes read from headers are those of the pixels; damaged headers are refused in one line."""

from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
SMOOTH8 = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 3


def refused(path):
    with pytest.raises(InputError) as info:
        image_files.read_size(path)
    message = str(info.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert ";" in message, "no remedy"


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_the_size_is_read_from_the_header(tmp_path, kind, capfd):
    path = tmp_path / f"a.{kind}"
    damaged = {"exif": b"Exif\0\0MM\0*\0\0\0\x08\xff"}
    options: dict[str, Any] = damaged if kind == "jpg" else {}
    Image.fromarray(SMOOTH8).save(path, **options)
    assert image_files.read_size(path) == SMOOTH8.shape
    path.rename(tmp_path / "a.other")
    assert image_files.read_size(tmp_path / "a.other") == SMOOTH8.shape
    for end in (1, 5, 20, 22):
        path.write_bytes((tmp_path / "a.other").read_bytes()[:end])
        refused(path)
    assert capfd.readouterr() == ("", "")


def test_the_size_of_a_huge_image_is_read(tmp_path):
    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = (70_000).to_bytes(4, "big") + (80_000).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    assert image_files.read_size(tmp_path / "a.png") == (80_000, 70_000)


def test_a_damaged_tiff_header_gives_a_size_or_one_line(tmp_path, capfd):
    tifffile.imwrite(tmp_path / "good.tif", GRAY8)
    good = (tmp_path / "good.tif").read_bytes()
    for position in range(4, min(len(good), 120)):
        data = bytearray(good)
        data[position] ^= 0xFF
        (tmp_path / "a.tif").write_bytes(data)
        try:
            image_files.read_size(tmp_path / "a.tif")
        except InputError:
            refused(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_an_orientation_of_two_values_is_ignored(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH8, extratags=[(274, 3, 2, (6, 6), True)])
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), SMOOTH8)
    assert image_files.read_size(tmp_path / "a.tif") == SMOOTH8.shape
