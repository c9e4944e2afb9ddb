import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
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


def five_scales(prediction: np.ndarray, target: np.ndarray) -> float:
    """Wang et al. (2003) in float64 over h w c, each scale's similarity s moved to (1 + s) / 2."""

    def blur(x):  # 11 taps; only where the window lies inside the image
        return gaussian_filter(x, 1.5, radius=5, axes=(0, 1))[5:-5, 5:-5]

    value, weights = 1.0, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    for scale, weight in enumerate(weights, start=1):
        x, y = prediction, target
        var_x, var_y = blur(x * x) - blur(x) ** 2, blur(y * y) - blur(y) ** 2
        cov = blur(x * y) - blur(x) * blur(y)
        similarity = (2 * cov + 0.03**2) / (var_x + var_y + 0.03**2)
        if scale == 5:
            similarity *= (2 * blur(x) * blur(y) + 1e-4) / (blur(x) ** 2 + blur(y) ** 2 + 1e-4)
        value *= ((1 + similarity.mean()) / 2) ** weight
        h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        prediction, target = (
            (z[:h:2, :w:2] + z[1:h:2, :w:2] + z[:h:2, 1:w:2] + z[1:h:2, 1:w:2]) / 4 for z in (x, y)
        )
    return value


def _large() -> tuple[np.ndarray, np.ndarray]:
    """Structure at every scale, disturbed; and a negative, whose similarities are negative."""
    random = np.random.default_rng(0)
    noise = [gaussian_filter(random.random((2, 177, 203, 3)), (0, s, s, 0)) for s in (0, 2, 8)]
    first, second = (sum(x[i] / x.std() for x in noise) for i in (0, 1))
    first, second = (np.interp(x, (x.min(), x.max()), (0, 1)) for x in (first, second))
    near = np.clip(0.8 * first + 0.2 * second + 0.1, 0, 1)
    return np.stack([near, 1 - first, second]), np.stack([first, first, first])


def test_ms_ssim_is_that_of_the_definition(precision):
    images = [array.astype(np.float32) for array in _large()]
    expected = [
        five_scales(*(x.astype(np.float64) for x in pair)) for pair in zip(*images, strict=True)
    ]
    assert expected[0] - expected[2] > 0.1 < expected[2] - expected[1]
    result = jax.jit(metrics.ms_ssim)(*(array.astype(precision.dtype) for array in images))
    assert (result.shape, result.dtype) == ((3,), precision.dtype)
    np.testing.assert_allclose(result, expected, atol=precision.tolerance / 10)


@pytest.fixture(scope="module")
def with_slope():
    """The similarity of an image with another, and its gradient in the first."""
    return jax.jit(jax.value_and_grad(lambda p, t: metrics.ms_ssim(p, t).sum()))


def test_the_gradient_of_ms_ssim_is_that_of_the_definition(with_slope):
    predictions, targets = _large()
    direction = np.random.default_rng(1).standard_normal(targets[0].shape)
    for p, t in zip(predictions, targets, strict=True):
        ahead, behind = (five_scales(p + step * direction, t) for step in (1e-4, -1e-4))
        _, gradient = with_slope(*(x[None].astype(np.float32) for x in (p, t)))
        np.testing.assert_allclose(
            (gradient[0] * direction).sum(), (ahead - behind) / 2e-4, rtol=1e-2
        )


def test_ms_ssim_of_flat_images_by_hand(with_slope):
    first, second = (np.full((1, 177, 203, 3), x, np.float32) for x in (0.2, 0.6))
    value, gradient = with_slope(first, second)
    luminance = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    np.testing.assert_allclose(value, ((1 + luminance) / 2) ** 0.1333, rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_ms_ssim_is_greatest_at_equality_where_its_gradient_is_finite(with_slope):
    structured = _large()[1][:1].astype(np.float32)
    for image in (structured, *(np.full_like(structured, x) for x in (0.0, 0.5, 1.0))):
        value, gradient = with_slope(image, image)
        np.testing.assert_allclose(value, 1, atol=1e-5)
        np.testing.assert_allclose(gradient, 0, atol=1e-5)
        for other in (0.0, 1.0):
            assert np.isfinite(with_slope(np.full_like(image, other), image)[1]).all()


def test_an_image_too_small_for_five_scales_is_refused():
    image = jnp.zeros((1, 300, 175, 3))
    with pytest.raises(ValueError, match=r"300x175 pixels; the five scales .* at least 176x176"):
        metrics.ms_ssim(image, image)
    with pytest.raises(ValueError, match=r"prediction has shape .* and target"):
        metrics.ms_ssim(image, image[:, 1:])
