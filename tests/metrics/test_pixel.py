import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from haqagen_jax import metrics


def _angle(p, t):
    """The angle between two colors in float64, in degrees."""
    lengths = np.linalg.norm(p) * np.linalg.norm(t)
    return np.degrees(np.arccos(np.clip(p @ t / lengths, -1, 1)))


def _mean_angle(p, t):
    return np.mean([_angle(a, b) for a, b in zip(p.reshape(-1, 3), t.reshape(-1, 3), strict=True)])


def test_psnr_is_that_of_scikit_image(images, precision):
    expected = [peak_signal_noise_ratio(t, p, data_range=1) for p, t in images.each]
    result = jax.jit(metrics.psnr)(*(array.astype(precision.dtype) for array in images))
    assert result.dtype == precision.dtype
    np.testing.assert_allclose(result, expected, rtol=precision.tolerance / 10)


def test_psnr_of_equal_images_is_infinite(images):
    np.testing.assert_array_equal(metrics.psnr(images.target, images.target), [np.inf] * 4)


def test_psnr_does_not_clip():
    value = metrics.psnr(jnp.full((1, 2, 2, 3), 1.1), jnp.ones((1, 2, 2, 3)))
    np.testing.assert_allclose(value, 20, rtol=1e-5)


def test_angular_error_is_the_mean_angle(images, precision):
    expected = [_mean_angle(p, t) for p, t in images.each]
    result = jax.jit(metrics.angular_error)(*(array.astype(precision.dtype) for array in images))
    assert result.dtype == precision.dtype
    np.testing.assert_allclose(result, expected, rtol=precision.tolerance)


@pytest.mark.parametrize("angle", [1e-5, 1e-3, 0.1, 60.0])
def test_small_angles_are_not_lost(angle):
    # The arc cosine in float32 cannot tell an angle under 0.02 degrees from none.
    radians = np.radians(angle)
    first = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    second = np.cos(radians) * first + np.sin(radians) * np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    value = metrics.angular_error(first.reshape(1, 1, 1, 3), second.reshape(1, 1, 1, 3))
    np.testing.assert_allclose(value, angle, rtol=1e-4, atol=5e-6)


@pytest.mark.parametrize("factor", [1e-30, 1e-4, 1e4])
def test_angle_ignores_brightness(images, factor):
    value = metrics.angular_error(np.float32(factor) * images.target, images.target)
    np.testing.assert_allclose(value, 0, atol=1e-5)


def test_angle_of_black_pixels():
    black, gray = np.zeros(3), np.full(3, 0.5)
    prediction = np.stack([black, black, gray]).reshape(3, 1, 1, 3)
    target = np.stack([black, gray, black]).reshape(3, 1, 1, 3)
    np.testing.assert_allclose(metrics.angular_error(prediction, target), [0, 90, 90], rtol=1e-6)


def test_angle_needs_colors():
    with pytest.raises(ValueError, match="1 channels; an angle of colors needs 3"):
        metrics.angular_error(jnp.ones((1, 2, 2, 1)), jnp.ones((1, 2, 2, 1)))


def test_psnr_and_angle_of_the_published_code(published):
    pair = published["prediction"], published["target"]
    for name, function in {"psnr": metrics.psnr, "ae": metrics.angular_error}.items():
        expected = [published[f"{name}_{index}"] for index in (0, 1)]
        # The published angle adds 1e-6 to its denominator: up to 1e-5 of the value.
        np.testing.assert_allclose(function(*pair), expected, rtol=2e-5)
