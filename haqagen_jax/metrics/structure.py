"""Structural similarity under a uniform or a Gaussian window, and over several scales."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired
from haqagen_jax.ops.resample import halve

# Wang et al. (2004), for a range of 1.
_C1 = 0.01**2
_C2 = 0.03**2
_UNIFORM_SIDE = 7
_GAUSSIAN_SIDE = 11
_GAUSSIAN_SIGMA = 1.5
# Wang et al. (2003), from the full to the most reduced scale.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the structural similarity under a uniform 7x7 window with sample covariances.

    Equal to skimage.metrics.structural_similarity(data_range=1, channel_axis=-1): windows that
    leave the image are left out, channels are averaged.

    Args:
        prediction: Values in [0, 1], at least 7x7 pixels.
        target: The same shape.

    Returns:
        One value per image (b,), in [-1, 1].

    Raises:
        ValueError: The shapes differ, or the image is smaller than the window.

    Reference: Wang et al., "Image quality assessment" (2004); HAQAGen Sec. 4.1.

    Examples:
        >>> image = jnp.linspace(0, 1, 64).reshape(1, 8, 8, 1)
        >>> [round(float(ssim(image, x)[0]), 1) for x in (image, 1 - image)]
        [1.0, -1.0]
    """
    taps = (1 / _UNIFORM_SIDE,) * _UNIFORM_SIDE
    return _ssim(prediction, target, taps, sample=_UNIFORM_SIDE**2 / (_UNIFORM_SIDE**2 - 1))


def ssim_gaussian(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the structural similarity under a Gaussian 11x11 window of sigma 1.5.

    Args:
        prediction: Values in [0, 1], at least 11x11 pixels.
        target: The same shape.

    Returns:
        One value per image (b,), in [-1, 1].

    Raises:
        ValueError: The shapes differ, or the image is smaller than the window.

    Reference: Wang et al., "Image quality assessment" (2004), Sec. III-B.

    Examples:
        >>> image = jnp.linspace(0, 1, 256).reshape(1, 16, 16, 1)
        >>> [round(float(ssim_gaussian(image, x)[0]), 1) for x in (image, 1 - image)]
        [1.0, -0.8]
    """
    return _ssim(prediction, target, _gaussian_taps(), sample=1.0)


def ms_ssim(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the structural similarity over five scales, under the window of `ssim_gaussian`.

    Each scale is the means over 2x2 blocks of the one before, without an odd last row or column.
    The first four give the mean of their contrast and structure, the fifth the mean of the whole
    similarity, and the result is the product of the five, each raised to its weight. One thing is
    not as published: a similarity s enters as (1 + s) / 2, because a power of a negative number is
    not defined. Equal images give 1 in both.

    Args:
        prediction: Values in [0, 1], at least 176x176 pixels.
        target: The same shape.

    Returns:
        One value per image (b,), in [0, 1].

    Raises:
        ValueError: The shapes differ, or the most reduced scale is smaller than the window.

    Reference: Wang et al., "Multiscale structural similarity for image quality assessment" (2003),
    Eq. (7) and Sec. 3.2.

    Examples:
        >>> image = jnp.linspace(0, 1, 176 * 176).reshape(1, 176, 176, 1)
        >>> round(float(ms_ssim(image, image)[0]), 4)
        1.0
    """
    prediction, target = paired(prediction, target)
    least, (h, w) = _GAUSSIAN_SIDE << (len(_SCALE_WEIGHTS) - 1), prediction.shape[1:3]
    if min(h, w) < least:
        raise ValueError(
            f"images are {h}x{w} pixels; the five scales of this SSIM need at least {least}x{least}"
        )
    factors, taps = [], _gaussian_taps()
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale:
            prediction, target = _reduced(prediction), _reduced(target)
        luminance, structure = _maps(prediction, target, taps, sample=1.0)
        last = scale == len(_SCALE_WEIGHTS) - 1
        similarity = (luminance * structure if last else structure).mean((1, 2, 3))
        factors.append(((1 + similarity) / 2) ** weight)
    return math.prod(factors[1:], start=factors[0])


def _reduced(image: Float[Array, "b h w c"]) -> Float[Array, "b i j c"]:
    """Halve the size of an image, without an odd last row or column."""
    h, w = image.shape[1:3]
    return halve(image[:, : h - h % 2, : w - w % 2])


def _gaussian_taps() -> tuple[float, ...]:
    offsets = np.arange(_GAUSSIAN_SIDE) - _GAUSSIAN_SIDE // 2
    taps = np.exp(-0.5 * (offsets / _GAUSSIAN_SIGMA) ** 2)
    return tuple((taps / taps.sum()).tolist())


def _ssim(
    prediction: Images, target: Like, taps: tuple[float, ...], *, sample: float
) -> Float[Array, " b"]:
    prediction, target = paired(prediction, target)
    side, (h, w) = len(taps), prediction.shape[1:3]
    if min(h, w) < side:
        raise ValueError(
            f"images are {h}x{w} pixels; the {side}x{side} window of this SSIM needs at least that"
        )
    luminance, structure = _maps(prediction, target, taps, sample=sample)
    return (luminance * structure).mean((1, 2, 3))


def _maps(
    prediction: Float[Array, "b h w c"],
    target: Float[Array, "b h w c"],
    taps: tuple[float, ...],
    *,
    sample: float,
) -> tuple[Float[Array, "b i j c"], Float[Array, "b i j c"]]:
    """Compare luminance, and contrast with structure, window by window."""
    # Second moments are taken about the image's mean, because float32 would lose small variances
    # in the difference of two large moments about zero.
    base_p = prediction.mean((1, 2), keepdims=True)
    base_t = target.mean((1, 2), keepdims=True)
    p, t = prediction - base_p, target - base_t
    mean_p, mean_t = _window_mean(p, taps), _window_mean(t, taps)
    var_p = sample * (_window_mean(p * p, taps) - mean_p**2)
    var_t = sample * (_window_mean(t * t, taps) - mean_t**2)
    cov = sample * (_window_mean(p * t, taps) - mean_p * mean_t)
    mean_p, mean_t = mean_p + base_p, mean_t + base_t
    luminance = (2 * mean_p * mean_t + _C1) / (mean_p**2 + mean_t**2 + _C1)
    return luminance, (2 * cov + _C2) / (var_p + var_t + _C2)


def _window_mean(
    image: Float[Array, "b h w c"], taps: tuple[float, ...]
) -> Float[Array, "b i j c"]:
    """Average over every window that lies inside the image."""
    return _mean(image, taps)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _mean(image: Array, taps: tuple[float, ...]) -> Array:
    for axis in (1, 2):
        length = image.shape[axis] - len(taps) + 1
        parts = [
            tap * jax.lax.slice_in_dim(image, start, start + length, axis=axis)
            for start, tap in enumerate(taps)
        ]
        image = sum(parts[1:], parts[0])
    return image


def _mean_fwd(image: Array, taps: tuple[float, ...]) -> tuple[Array, None]:
    return _window_mean(image, taps), None


def _mean_bwd(taps: tuple[float, ...], _: None, slope: Array) -> tuple[Array]:
    """Sum shifted slices again: plain differentiation pads a copy per tap, several times slower."""
    margin = (len(taps) - 1,) * 2
    return (_window_mean(jnp.pad(slope, ((0, 0), margin, margin, (0, 0))), taps[::-1]),)


_mean.defvjp(_mean_fwd, _mean_bwd)
