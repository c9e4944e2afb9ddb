"""Structural similarity, under both windows in use."""

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired

# Wang et al. (2004), for a range of 1.
_C1 = 0.01**2
_C2 = 0.03**2
_UNIFORM_SIDE = 7
_GAUSSIAN_SIDE = 11
_GAUSSIAN_SIGMA = 1.5


def ssim(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the structural similarity under a uniform 7x7 window with sample covariances.

    Equal to skimage.metrics.structural_similarity(data_range=1, channel_axis=-1): windows that
    leave the image are left out, channels are averaged.

    Args:
        prediction: values in [0, 1], at least 7x7 pixels.
        target: the same shape.

    Returns:
        One value per image (b,), in [-1, 1].

    Raises:
        ValueError: the shapes differ, or the image is smaller than the window.

    Reference: Wang et al., "Image quality assessment" (2004); HAQAGen Sec. 4.1.
    """
    taps = np.full(_UNIFORM_SIDE, 1 / _UNIFORM_SIDE)
    return _ssim(prediction, target, taps, sample=_UNIFORM_SIDE**2 / (_UNIFORM_SIDE**2 - 1))


def ssim_gaussian(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the structural similarity under a Gaussian 11x11 window of sigma 1.5.

    Args:
        prediction: values in [0, 1], at least 11x11 pixels.
        target: the same shape.

    Returns:
        One value per image (b,), in [-1, 1].

    Raises:
        ValueError: the shapes differ, or the image is smaller than the window.

    Reference: Wang et al., "Image quality assessment" (2004), Sec. III-B.
    """
    offsets = np.arange(_GAUSSIAN_SIDE) - _GAUSSIAN_SIDE // 2
    taps = np.exp(-0.5 * (offsets / _GAUSSIAN_SIGMA) ** 2)
    return _ssim(prediction, target, taps / taps.sum(), sample=1.0)


def _ssim(
    prediction: Images, target: Like, taps: Float[np.ndarray, " n"], *, sample: float
) -> Float[Array, " b"]:
    prediction, target = paired(prediction, target)
    side, (h, w) = len(taps), prediction.shape[1:3]
    if min(h, w) < side:
        raise ValueError(
            f"images are {h}x{w} pixels; the {side}x{side} window of this SSIM needs at least that"
        )
    # Second moments about the image's mean: about zero, float32 would lose the small variances.
    base_p = prediction.mean((1, 2), keepdims=True)
    base_t = target.mean((1, 2), keepdims=True)
    p, t = prediction - base_p, target - base_t
    mean_p, mean_t = _window_mean(p, taps), _window_mean(t, taps)
    var_p = sample * (_window_mean(p * p, taps) - mean_p**2)
    var_t = sample * (_window_mean(t * t, taps) - mean_t**2)
    cov = sample * (_window_mean(p * t, taps) - mean_p * mean_t)
    mean_p, mean_t = mean_p + base_p, mean_t + base_t
    luminance = (2 * mean_p * mean_t + _C1) / (mean_p**2 + mean_t**2 + _C1)
    structure = (2 * cov + _C2) / (var_p + var_t + _C2)
    return (luminance * structure).mean((1, 2, 3))


def _window_mean(
    image: Float[Array, "b h w c"], taps: Float[np.ndarray, " n"]
) -> Float[Array, "b i j c"]:
    """Average over every window that lies inside the image, one axis after the other."""
    for axis in (1, 2):
        length = image.shape[axis] - len(taps) + 1
        parts = [
            float(tap) * jax.lax.slice_in_dim(image, start, start + length, axis=axis)
            for start, tap in enumerate(taps)
        ]
        image = sum(parts[1:], parts[0])
    return image
