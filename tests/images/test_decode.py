"""Files that are whole and still cannot be read as NIR: too large, not finite or complex."""

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


@pytest.mark.parametrize("step", ["stat", "decode"])
def test_a_file_larger_than_memory_is_not_called_damaged(tmp_path, monkeypatch, step):
    def run_out(*_):
        raise MemoryError

    Image.fromarray(GRAY8).save(tmp_path / "a.png")
    if step == "stat":
        monkeypatch.setattr(type(tmp_path), "stat", run_out)
    else:
        monkeypatch.setattr(decode.imagecodecs, "png_decode", run_out)
    assert "needs more memory than there is; cut it up" in refused(tmp_path / "a.png")


def test_color_files_of_extreme_floats_are_refused_or_read(tmp_path):
    bands = np.stack([GRAY32.astype(np.float64)] * 3, -1)
    for bad in (np.nan, np.inf):
        holed = bands.copy()
        holed[1, 2] = holed[0, 0, 1] = bad
        tifffile.imwrite(tmp_path / "a.tif", holed, photometric="rgb")
        got = image_files.read_nir(tmp_path / "a.tif")
        assert np.argwhere(np.ma.getmaskarray(got)).tolist() == [[0, 0], [1, 2]]
    bands[2, 2:5] = 1e308, -1e308, 0
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="rgb")
    assert "color photograph" in refused(tmp_path / "a.tif")
    below = -1 - np.abs(np.stack([GRAY32] * 3, -1))
    tifffile.imwrite(tmp_path / "a.tif", below, photometric="rgb")
    np.testing.assert_array_equal(image_files.read_nir(tmp_path / "a.tif"), below[..., 0])


def test_complex_pixels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4, 3), np.complex64), photometric="rgb")
    assert "unsupported TIFF (RGB, complex64" in refused(tmp_path / "a.tif")
