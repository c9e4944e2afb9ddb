"""ColorMamba's own preparation, against what its published loader computes, in numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.nir.network_input import channels, fit_input, prepare
from haqagen_jax.nir.preparation import prepare_nir

OWN = DataConfig(preparation="colormamba", equalize=False)


def published(levels: np.ndarray) -> np.ndarray:
    """Min-max of the image; HSV of the image taken for gray, over its largest value."""
    levels = levels.astype(np.float64)
    low = levels - levels.min()
    nir = low / (low.max() + 1e-3)
    value = levels / (levels.max() + 1e-3)  # hue and saturation are 0, so the least value is
    return np.stack([nir, value], -1)


@given(low=st.integers(0, 200), span=st.integers(1, 55), seed=st.integers(0, 99))
def test_eight_bits_are_prepared_as_published(low, span, seed):
    image = np.random.default_rng(seed).integers(low, low + span + 1, (5, 7)).astype(np.uint8)
    image[0, :2] = low, low + span
    np.testing.assert_allclose(prepare(image, OWN), published(image), rtol=0, atol=3e-7)


def test_sixteen_bits_and_floats_have_the_same_scale():
    levels = np.random.default_rng(0).integers(20, 250, (6, 6)).astype(np.uint8)
    want = published(levels)
    np.testing.assert_allclose(
        prepare(levels.astype(np.uint16) * 257, OWN), want, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        prepare(levels.astype(np.float32) / 255, OWN), want, rtol=0, atol=1e-6
    )
    # Floats of another range: the brightest counts as white.
    bright = published(levels * (255 / levels.max()))
    np.testing.assert_allclose(
        prepare(levels.astype(np.float64) * 70, OWN), bright, rtol=0, atol=1e-6
    )
    dark = prepare(levels.astype(np.float64) - 300.0, OWN)
    np.testing.assert_allclose(dark[..., 1], dark[..., 0], atol=1e-6)  # the least is black


def test_parts_are_prepared_like_the_whole():
    image = np.random.default_rng(1).integers(9, 999, (8, 5)).astype(np.uint16)
    found = fit_input(lambda: (image[:3], image[3:3], image[3:]), image.dtype, OWN)
    whole = prepare(image, OWN)
    for rows in (slice(0, 2), slice(2, 8)):
        np.testing.assert_array_equal(
            found.planes(found.apply(image[rows])[..., None]), whole[rows]
        )


def test_ours_is_one_channel():
    image = np.random.default_rng(2).integers(0, 99, (4, 4)).astype(np.uint8)
    for data in (DataConfig(), DataConfig(equalize=False, nir_percentiles=(2.0, 98.0))):
        want = prepare_nir(image, equalize=data.equalize, percentiles=data.nir_percentiles)
        np.testing.assert_array_equal(prepare(image, data), want)
        assert channels(data) == 1
    assert channels(OWN) == prepare(image, OWN).shape[-1] == 2


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((2, 2), 7, np.uint8), "all 4 pixels have the value 7"),
        (np.array([[0, np.nan]], np.float32), "1 of 2 pixels are NaN"),
        (np.ones((2, 2), np.int32), "pixels are int32"),
    ],
)
def test_what_holds_no_picture_is_refused(image, message):
    with pytest.raises(InputError, match=message):
        prepare(image, OWN)


def test_a_single_pixel_is_black():
    np.testing.assert_allclose(prepare(np.array([[9]], np.uint8), OWN)[0, 0], [0, 1], atol=2e-4)
