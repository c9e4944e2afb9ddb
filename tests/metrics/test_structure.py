import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from haqagen_jax import metrics

OPTIONS = {"data_range": 1, "channel_axis": -1}
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


@pytest.mark.parametrize(
    ("function", "options"), [(metrics.ssim, {}), (metrics.ssim_gaussian, GAUSSIAN)]
)
def test_ssim_is_that_of_scikit_image(function, options, images, precision):
    expected = [structural_similarity(p, t, **OPTIONS, **options) for p, t in images.each]
    result = jax.jit(function)(*(array.astype(precision.dtype) for array in images))
    assert result.dtype == precision.dtype
    np.testing.assert_allclose(result, expected, atol=precision.tolerance / 5)


def test_ssim_of_the_published_code(published):
    expected = [published["ssim_0"], published["ssim_1"]]
    result = metrics.ssim(published["prediction"], published["target"])
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-6)


def test_ssim_of_one_window_by_hand():
    p, t = np.random.default_rng(0).random((2, 7, 7))
    cov = np.cov(p.ravel(), t.ravel())
    luminance = (2 * p.mean() * t.mean() + 1e-4) / (p.mean() ** 2 + t.mean() ** 2 + 1e-4)
    structure = (2 * cov[0, 1] + 9e-4) / (cov[0, 0] + cov[1, 1] + 9e-4)
    value = metrics.ssim(p[None, :, :, None], t[None, :, :, None])
    np.testing.assert_allclose(value, luminance * structure, rtol=1e-5)


@pytest.mark.parametrize("function", [metrics.ssim, metrics.ssim_gaussian])
def test_ssim_of_equal_images_is_one(images, function):
    np.testing.assert_allclose(function(images.target, images.target), 1, atol=1e-6)


@pytest.mark.parametrize(("function", "side"), [(metrics.ssim, 7), (metrics.ssim_gaussian, 11)])
def test_image_smaller_than_the_window_is_refused(function, side):
    image = jnp.zeros((1, 40, side - 1, 3))
    with pytest.raises(ValueError, match=f"40x{side - 1} pixels; the {side}x{side} window"):
        function(image, image)
