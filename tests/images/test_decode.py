"""Files that are no damage, and still no image: too large, or of extreme numbers."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import decode
from haqagen_jax.images import files as image_files

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
GRAY32 = RNG.normal(size=(5, 7)).astype(np.float32)


def refused(path):
    with pytest.raises(InputError) as info:
        image_files.read_nir(path)
    message = str(info.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert ";" in message, "no remedy"
    return message


@pytest.mark.parametrize("place", ["stat", "decode"])
def test_larger_than_memory_is_not_called_damaged(tmp_path, monkeypatch, place):
    def lack(*_):
        raise MemoryError

    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    if place == "stat":
        monkeypatch.setattr(type(tmp_path), "stat", lack)
    else:
        monkeypatch.setattr(decode.imagecodecs, "png_decode", lack)
    assert "needs more memory than there is; cut it up" in refused(tmp_path / "a.png")


def test_color_files_of_extreme_floats(tmp_path):
    bands = np.stack([GRAY32.astype(np.float64)] * 3, -1)
    for bad in (np.nan, np.inf):
        holed = bands.copy()
        holed[1, 2] = holed[0, 0, 1] = bad
        tifffile.imwrite(tmp_path / "a.tif", holed, photometric="rgb")
        assert "2 of 35 pixels are NaN or infinite" in refused(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", np.full_like(bands, np.nan), photometric="rgb")
    assert "35 of 35 pixels are NaN or infinite" in refused(tmp_path / "a.tif")
    bands[2, 2] = 1e308, -1e308, 0
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb")
    assert "color photograph" in refused(tmp_path / "a.tif")
    below = -1 - np.abs(np.stack([GRAY32] * 3, -1))
    tifffile.imwrite(tmp_path / "a.tif", below, photometric="rgb")
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), below[..., 0])


def test_complex_numbers_are_no_picture(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4, 3), np.complex64), photometric="rgb")
    assert "unsupported TIFF (RGB, complex64" in refused(tmp_path / "a.tif")
