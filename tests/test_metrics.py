from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from haqagen_jax import metrics

GOLDEN = Path(__file__).parent / "golden" / "parts" / "losses_metrics.npz"
RNG = np.random.default_rng(0)


def _pairs():
    """Unrelated noise, a slightly disturbed smooth image, one nearly flat, and its own negative."""
    y, x = np.mgrid[:23, :31] / 31
    smooth = np.stack([x, y, 0.5 + 0.4 * np.sin(7 * x * y)], -1)
    noise = RNG.random((23, 31, 3))
    flat = 0.9 + 1e-3 * noise
    targets = np.stack([RNG.random((23, 31, 3)), smooth, flat, smooth])
    predictions = np.stack([noise, smooth + 0.02 * noise, flat + 1e-3 * noise[::-1], 1 - smooth])
    return predictions.astype(np.float32), targets.astype(np.float32)


PREDICTION, TARGET = _pairs()
EACH = list(zip(PREDICTION.astype(np.float64), TARGET.astype(np.float64), strict=True))


def _angle(p, t):
    """The angle between two colours in float64, in degrees."""
    lengths = np.linalg.norm(p) * np.linalg.norm(t)
    return np.degrees(np.arccos(np.clip(p @ t / lengths, -1, 1)))


def test_psnr_is_that_of_scikit_image():
    expected = [peak_signal_noise_ratio(t, p, data_range=1) for p, t in EACH]
    np.testing.assert_allclose(metrics.psnr(PREDICTION, TARGET), expected, rtol=1e-5)


def test_psnr_of_equal_images_is_infinite():
    np.testing.assert_array_equal(metrics.psnr(TARGET, TARGET), [np.inf] * 4)


def test_psnr_does_not_clip():
    value = metrics.psnr(jnp.full((1, 2, 2, 3), 1.1), jnp.ones((1, 2, 2, 3)))
    np.testing.assert_allclose(value, 20, rtol=1e-5)


def test_ssim_is_that_of_scikit_image():
    expected = [structural_similarity(p, t, data_range=1, channel_axis=-1) for p, t in EACH]
    np.testing.assert_allclose(metrics.ssim(PREDICTION, TARGET), expected, atol=2e-5)


def test_gaussian_ssim_is_that_of_scikit_image():
    expected = [
        structural_similarity(
            p, t, data_range=1, channel_axis=-1,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for p, t in EACH
    ]  # fmt: skip
    np.testing.assert_allclose(metrics.ssim_gaussian(PREDICTION, TARGET), expected, atol=2e-5)


def test_ssim_of_one_window_by_hand():
    p, t = RNG.random((2, 7, 7))
    cov = np.cov(p.ravel(), t.ravel())
    luminance = (2 * p.mean() * t.mean() + 1e-4) / (p.mean() ** 2 + t.mean() ** 2 + 1e-4)
    structure = (2 * cov[0, 1] + 9e-4) / (cov[0, 0] + cov[1, 1] + 9e-4)
    value = metrics.ssim(p[None, :, :, None], t[None, :, :, None])
    np.testing.assert_allclose(value, luminance * structure, rtol=1e-5)


@pytest.mark.parametrize("function", [metrics.ssim, metrics.ssim_gaussian])
def test_ssim_of_equal_images_is_one(function):
    np.testing.assert_allclose(function(TARGET, TARGET), 1, atol=1e-6)


@pytest.mark.parametrize(("function", "side"), [(metrics.ssim, 7), (metrics.ssim_gaussian, 11)])
def test_image_smaller_than_the_window_is_refused(function, side):
    image = jnp.zeros((1, 40, side - 1, 3))
    with pytest.raises(ValueError, match=f"40x{side - 1} pixels; the {side}x{side} window"):
        function(image, image)


def test_angular_error_is_the_mean_angle():
    expected = [
        np.mean([_angle(a, b) for a, b in zip(p.reshape(-1, 3), t.reshape(-1, 3), strict=True)])
        for p, t in EACH
    ]
    np.testing.assert_allclose(metrics.angular_error(PREDICTION, TARGET), expected, rtol=1e-4)


@pytest.mark.parametrize("angle", [1e-5, 1e-3, 0.1, 60.0])
def test_small_angles_are_not_lost(angle):
    # The arc cosine in float32 cannot tell an angle under 0.02 degrees from none.
    radians = np.radians(angle)
    first = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    second = np.cos(radians) * first + np.sin(radians) * np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    value = metrics.angular_error(first.reshape(1, 1, 1, 3), second.reshape(1, 1, 1, 3))
    np.testing.assert_allclose(value, angle, rtol=1e-4, atol=5e-6)


@pytest.mark.parametrize("factor", [1e-30, 1e-4, 1e4])
def test_angle_ignores_brightness(factor):
    value = metrics.angular_error(np.float32(factor) * TARGET, TARGET)
    np.testing.assert_allclose(value, 0, atol=1e-5)


def test_angle_of_black_pixels():
    black, grey = np.zeros(3), np.full(3, 0.5)
    prediction = np.stack([black, black, grey]).reshape(3, 1, 1, 3)
    target = np.stack([black, grey, black]).reshape(3, 1, 1, 3)
    np.testing.assert_allclose(metrics.angular_error(prediction, target), [0, 90, 90], rtol=1e-6)


def test_angle_needs_colours():
    with pytest.raises(ValueError, match="1 channels; an angle of colours needs 3"):
        metrics.angular_error(jnp.ones((1, 2, 2, 1)), jnp.ones((1, 2, 2, 1)))


def test_metrics_of_the_published_code():
    with np.load(GOLDEN) as arrays:
        golden = dict(arrays)
    functions = {"psnr": metrics.psnr, "ssim": metrics.ssim, "ae": metrics.angular_error}
    for name, function in functions.items():
        expected = [golden[f"{name}_{index}"] for index in (0, 1)]
        result = function(golden["prediction"], golden["target"])
        # The published angle adds 1e-6 to its denominator: up to 1e-5 of the value.
        np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-6)
