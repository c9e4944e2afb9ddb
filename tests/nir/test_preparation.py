"""Equalization and min-max against scikit-image and loops written out in float64."""

import numpy as np
import pytest
from skimage import exposure

from haqagen_jax.errors import InputError
from haqagen_jax.nir.equalization import equalize
from haqagen_jax.nir.preparation import prepare_nir, to_unit


def equalize_slowly(image):
    """The definition: the fraction of the other pixels that are at most as bright."""
    values = image.ravel().astype(np.int64)
    count_of_darkest = np.sum(values == values.min())
    out = [
        (np.sum(values <= v) - count_of_darkest) / (values.size - count_of_darkest) for v in values
    ]
    return np.array(out).reshape(image.shape)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equalize_is_the_definition(dtype):
    rng = np.random.default_rng(1)
    top = np.iinfo(dtype).max
    image = (top * rng.beta(2, 5, size=(13, 17))).astype(dtype)
    np.testing.assert_allclose(equalize(image), equalize_slowly(image), atol=1e-7)


def test_equalize_keeps_neighboring_16_bit_levels_apart():
    image = np.arange(40_000, 41_000, dtype=np.uint16).reshape(20, 50)
    np.testing.assert_allclose(equalize(image).ravel(), np.linspace(0, 1, 1000), atol=1e-7)


def test_equalize_agrees_with_scikit_image_up_to_the_darkest_level():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (64, 64)).astype(np.uint8)
    cdf = exposure.equalize_hist(image, nbins=256)
    rescaled = (cdf - cdf.min()) / (1 - cdf.min())
    np.testing.assert_allclose(equalize(image), rescaled, atol=1e-6)


def test_equalize_of_a_constant_is_zero():
    np.testing.assert_array_equal(equalize(np.full((2, 3), 9, np.uint8)), np.zeros((2, 3)))


def test_equalize_refuses_other_types():
    with pytest.raises(InputError, match="int32"):
        equalize(np.ones((2, 2), np.int32))


def test_to_unit_percentiles_clip():
    image = np.arange(101, dtype=np.uint16)
    want = np.clip((np.arange(101) - 10) / 80, 0, 1)
    np.testing.assert_allclose(to_unit(image, 10.0, 90.0), want, atol=1e-7)


def test_to_unit_survives_the_float32_range():
    extreme = np.finfo(np.float32).max
    image = np.array([-extreme, 0, extreme], np.float32)
    np.testing.assert_array_equal(to_unit(image), [0, 0.5, 1])


def test_to_unit_survives_the_float64_range():
    extreme = np.finfo(np.float64).max
    image = np.array([-extreme, 0, extreme / 2, extreme])
    np.testing.assert_allclose(to_unit(image), [0, 0.5, 0.75, 1], atol=1e-7)
    got = to_unit(np.linspace(-1, 1, 101) * extreme, 10.0, 90.0)
    np.testing.assert_allclose(got, np.clip((np.arange(101) - 10) / 80, 0, 1), atol=1e-6)
    far = np.array([*np.linspace(0, 1e-300, 99), 1e300])
    assert to_unit(far, 0.0, 90.0)[-1] == 1


@pytest.mark.parametrize(("low", "high"), [(50.0, 50.0), (-1.0, 100.0), (0.0, 101.0)])
def test_to_unit_percentiles_out_of_order(low, high):
    with pytest.raises(InputError, match="percentiles"):
        to_unit(np.arange(4), low, high)


def test_to_unit_no_contrast_between_percentiles():
    image = np.zeros(1000, np.uint8)
    image[0] = 255
    with pytest.raises(InputError, match=r"percentiles 5\.0 and 95\.0 .* both 0\.0"):
        to_unit(image, 5.0, 95.0)


def test_prepare_without_equalization_is_min_max():
    image = np.array([[10, 20], [30, 60]], np.uint16)
    want = [[[0.0], [0.2]], [[0.4], [1.0]]]
    np.testing.assert_allclose(prepare_nir(image, equalize=False), want, atol=1e-7)


def test_float_is_equalized_like_the_16_bit_image_it_came_from():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 65_536, (40, 40)).astype(np.uint16)
    image[0, :2] = 0, 65_535
    want = prepare_nir(image, equalize=True)
    for dtype in (np.float32, np.float64):
        scaled = image.astype(dtype) / 65_535 * 3 - 1
        np.testing.assert_allclose(prepare_nir(scaled, equalize=True), want, atol=1e-6)


def test_monotone_changes_do_not_matter_once_equalized():
    image = np.random.default_rng(4).integers(0, 16, (9, 9)).astype(np.uint8)
    want = prepare_nir(image, equalize=True)
    np.testing.assert_array_equal(prepare_nir(image * 3 + 7, equalize=True), want)


@pytest.mark.parametrize("with_equalization", [True, False])
@pytest.mark.parametrize(
    ("pixel", "want"),
    [(np.uint8(51), 0.2), (np.uint16(13_107), 0.2), (np.float32(0.2), 0.2), (np.float32(7), 1.0)],
)
def test_single_pixel_keeps_its_level(pixel, want, with_equalization):
    got = prepare_nir(np.full((1, 1), pixel), equalize=with_equalization)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[[want]]], atol=1e-7)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((3, 4), 7, np.uint8), "all 12 pixels have the value 7"),
        (np.full((3, 4), 0.5, np.float32), r"all 12 pixels have the value 0\.5"),
        (np.array([[0, np.nan], [np.inf, 1]], np.float32), "2 of 4 pixels are NaN or infinite"),
        (np.array([[np.nan]], np.float32), "1 of 1 pixels are NaN"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): no pixels"),
        (np.ones((2, 2), np.int32), "pixels are int32"),
    ],
)
def test_refused_images(image, message):
    with pytest.raises(InputError, match=message) as info:
        prepare_nir(image, equalize=True)
    assert "\n" not in str(info.value)
