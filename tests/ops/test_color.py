import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from skimage.color import rgb2lab

from haqagen_jax.ops import color

ALL = [
    color.srgb_to_linear,
    color.linear_to_srgb,
    color.rgb_to_hsv,
    color.hsv_to_rgb,
    color.rgb_to_lab,
]

# Every corner, edge midpoint and the middle of the cube, then colors in general position.
GRID = np.stack(np.meshgrid(*[[0.0, 0.5, 1.0]] * 3), -1).reshape(-1, 3)
RANDOM = np.random.default_rng(0).random((200, 3))
COLORS = np.concatenate([GRID, RANDOM]).astype(np.float32)


def _by_colorsys(function, values):
    return np.array([function(*map(float, value)) for value in values])


def _linear_by_hand(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def test_srgb_to_linear_is_the_standard_curve():
    values = np.linspace(0, 1, 513)
    expected = [_linear_by_hand(value) for value in values]
    result = color.srgb_to_linear(jnp.asarray(values, jnp.float32))
    np.testing.assert_allclose(result, expected, rtol=2e-6, atol=1e-8)


def test_transfer_curves_are_inverse():
    values = jnp.linspace(0, 1, 513)
    np.testing.assert_allclose(
        color.linear_to_srgb(color.srgb_to_linear(values)), values, atol=1e-6
    )
    np.testing.assert_allclose(
        color.srgb_to_linear(color.linear_to_srgb(values)), values, atol=1e-6
    )


def test_hsv_is_that_of_colorsys():
    result = color.rgb_to_hsv(jnp.asarray(COLORS))
    np.testing.assert_allclose(result, _by_colorsys(colorsys.rgb_to_hsv, COLORS), atol=2e-6)


def test_rgb_of_hsv_is_that_of_colorsys():
    result = color.hsv_to_rgb(jnp.asarray(COLORS))
    np.testing.assert_allclose(result, _by_colorsys(colorsys.hsv_to_rgb, COLORS), atol=3e-6)


def test_hsv_round_trip_in_an_image():
    image = jnp.asarray(RANDOM.reshape(2, 10, 10, 3), jnp.float32)
    np.testing.assert_allclose(color.hsv_to_rgb(color.rgb_to_hsv(image)), image, atol=2e-6)


def test_hsv_stays_in_the_unit_cube():
    # Just below red: the hue wraps to almost a whole turn, and rounds to one at most.
    almost_red = np.array([[1.0, 0.0, 1e-9], [1.0, 0.0, 1e-3], [1.0, 1e-9, 0.0]])
    hsv = color.rgb_to_hsv(jnp.asarray(np.concatenate([COLORS, almost_red]), jnp.float32))
    assert float(hsv.min()) >= 0
    assert float(hsv.max()) <= 1


def test_hue_wraps():
    hsv = jnp.asarray(RANDOM, jnp.float32)
    turned = hsv + jnp.asarray([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(color.hsv_to_rgb(turned), color.hsv_to_rgb(hsv), atol=2e-6)


def test_lab_is_that_of_scikit_image():
    # Its matrix and white point are rounded to six digits.
    np.testing.assert_allclose(color.rgb_to_lab(jnp.asarray(COLORS)), rgb2lab(COLORS), atol=2e-2)


def test_lab_of_white_is_neutral():
    np.testing.assert_allclose(color.rgb_to_lab(jnp.ones((1, 3)))[0], [100, 0, 0], atol=1e-4)


@pytest.mark.parametrize("function", ALL)
def test_gradient_agrees_with_finite_differences(function):
    # Away from the kinks of hsv: no two channels are close, no hue is at a sector's border.
    colors = jnp.asarray([[0.8, 0.3, 0.55], [0.2, 0.72, 0.4], [0.1, 0.35, 0.93]])
    check_grads(function, (colors,), order=1, modes=["rev"], eps=1e-3, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("function", ALL)
def test_gradient_is_finite_over_magnitudes(function):
    corners = np.concatenate([GRID, GRID * (1 + 1e-6 * np.arange(3)), RANDOM[:8]])
    magnitudes = np.array([0, 1e-30, 1e-20, 1e-10, 1e-5, 1e-2, 1, 1e3, 1e10])
    colors = jnp.asarray(magnitudes[:, None, None] * corners, jnp.float32)

    def total(values):
        return (function(values) * jnp.asarray([1.0, 2.0, 3.0])[None, None]).sum()

    assert np.isfinite(function(colors)).all()
    assert np.isfinite(jax.jit(jax.grad(total))(colors)).all()


def test_gray_gives_no_gradient_to_its_undefined_hue():
    hue = jax.grad(lambda values: color.rgb_to_hsv(values)[..., 0].sum())
    grays = jnp.asarray([[0.0] * 3, [0.25] * 3, [1.0] * 3])
    np.testing.assert_array_equal(jax.jit(hue)(grays), np.zeros((3, 3)))
