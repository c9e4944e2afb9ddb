"""The stretch of an image that is to be colored: outliers do not decide."""

import numpy as np
import pytest

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.nir.network_input import fit_for_coloring

PLAIN = DataConfig(equalize=False)


def scene(dtype):
    rng = np.random.default_rng(0)
    image = 6000 + 3000 * rng.random((240, 320))
    return image.astype(dtype)


def stretched(image, stretch=None, data=PLAIN):
    found = fit_for_coloring(lambda: (image,), image.dtype, data, stretch)
    return found, found.apply(image)


def stuck_pixel(image):
    image[7, 9] = 60_000


def stuck_pixels(image):
    image.flat[:: image.size // 50] = 60_000


def stuck_column(image):
    image[:, 100] = 60_000


def dead_row(image):
    image[3] = 0


def both_ends(image):
    image[5], image[:, 8] = 0, 60_000


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
@pytest.mark.parametrize("spoil", [stuck_pixel, stuck_pixels, stuck_column, dead_row, both_ends])
def test_a_few_pixels_do_not_darken_the_others(dtype, spoil):
    image = scene(dtype)
    _, clean = stretched(image)
    spoilt = image.copy()
    spoil(spoilt)
    _, got = stretched(spoilt)
    same = image == spoilt
    np.testing.assert_allclose(got[same], clean[same], atol=0.02)
    _, whole = stretched(spoilt, (0.0, 100.0))
    assert spoil is dead_row or np.median(whole) < 0.15


def test_a_bright_part_of_a_scene_stays():
    """Two percent are no outliers: a lamp in a dark room."""
    image = scene("uint16")
    image[:30, :60] += 50_000
    _, got = stretched(image)
    assert np.ptp(got[:30, :60]) > 0.04


def test_an_image_of_two_values_is_stretched_from_one_to_the_other():
    image = np.zeros((100, 100), np.uint8)
    image[0, :3] = 9
    _, got = stretched(image)
    assert got[0, 0] == 1
    assert got[1, 0] == 0


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_outliers_shares_are_told(dtype):
    image = (scene("float64") / 3600 * 100).astype(dtype)
    found, _ = stretched(image)
    assert max(found.tails) < 0.05
    image[3, 3] = 250
    found, _ = stretched(image)
    assert found.tails[0] < 0.05
    assert found.tails[1] == pytest.approx((250 - image[image < 250].max()) / 250, abs=0.1)


def test_what_a_model_was_trained_with_comes_first():
    image = scene("uint16")
    trained = DataConfig(equalize=False, nir_percentiles=(5.0, 95.0))
    low, high = np.percentile(image, (5, 95))
    _, got = stretched(image, data=trained)
    want = np.clip((image - low) / (high - low), 0, 1)
    np.testing.assert_allclose(got, want, atol=1e-6)
    low, high = np.percentile(image, (20, 80))
    _, got = stretched(image, (20.0, 80.0), trained)
    np.testing.assert_allclose(got, np.clip((image - low) / (high - low), 0, 1), atol=1e-6)
