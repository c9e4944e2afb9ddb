"""Metrics of corresponding pixels: PSNR and the angle between colors."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from haqagen_jax.ops.checks import Images, Like, paired


def psnr(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the peak signal-to-noise ratio of images.

    Args:
        prediction: Values in [0, 1].
        target: The same shape.

    Returns:
        10 log10(1 / MSE) in decibels, (b,); +inf where the two images are equal.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Sec. 4.1.

    Examples:
        >>> prediction, target = jnp.full((1, 4, 4, 3), 0.1), jnp.zeros((1, 4, 4, 3))
        >>> round(float(psnr(prediction, target)[0]), 3)
        20.0
    """
    prediction, target = paired(prediction, target)
    return -10.0 * jnp.log10(jnp.square(prediction - target).mean((1, 2, 3)))


def angular_error(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean angle between the colors of corresponding pixels.

    Args:
        prediction: RGB values in [0, 1].
        target: The same shape.

    Returns:
        Degrees (b,), in [0, 90] for values of one sign. A pixel black in both images counts 0, a
        pixel black in one of them 90.

    Raises:
        ValueError: The shapes differ, or there are not three channels.

    Reference: HAQAGen Sec. 4.1; the treatment of black pixels is ours.

    Examples:
        >>> red = jnp.array([1.0, 0.0, 0.0]).reshape(1, 1, 1, 3)
        >>> yellow = jnp.array([0.5, 0.5, 0.0]).reshape(1, 1, 1, 3)
        >>> round(float(angular_error(red, yellow)[0]), 3)
        45.0
    """
    prediction, target = paired(prediction, target)
    if prediction.shape[-1] != 3:
        raise ValueError(f"images have {prediction.shape[-1]} channels; an angle of colors needs 3")
    prediction, lit = _unit_peak(prediction)
    target, target_lit = _unit_peak(target)
    dot = (prediction * target).sum(-1)
    cross = jnp.linalg.norm(jnp.cross(prediction, target), axis=-1)
    # The arc tangent stays accurate where the arc cosine is flat: nearly parallel colors.
    angle = jnp.where(lit & target_lit, jnp.arctan2(cross, dot), math.pi / 2)
    angle = jnp.where(lit | target_lit, angle, 0.0)
    return jnp.rad2deg(angle.mean((1, 2)))


def _unit_peak(
    image: Float[Array, "b h w 3"],
) -> tuple[Float[Array, "b h w 3"], Bool[Array, "b h w"]]:
    """Scale each color to a largest magnitude of 1, so that no product of two underflows."""
    peak = jnp.abs(image).max(-1, keepdims=True)
    return image / jnp.where(peak > 0, peak, 1.0), peak[..., 0] > 0
