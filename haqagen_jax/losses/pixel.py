"""Pixelwise losses: `b h w c` images in [0, 1], float32 inside, one value per image."""

import enum

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired


class Hue(enum.StrEnum):
    """How two hues are compared."""

    LINEAR = "linear"
    CIRCULAR = "circular"

    @classmethod
    def _missing_(cls, value: object) -> None:
        known = " or ".join(repr(str(hue)) for hue in cls)
        raise ValueError(f"hue is {value!r}; it must be {known}")


def mse(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean squared error over pixels and channels.

    Args:
        prediction: values in [0, 1].
        target: the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (4).
    """
    prediction, target = paired(prediction, target)
    return jnp.square(prediction - target).mean((1, 2, 3))


def hsv_mse(prediction: Images, target: Like, *, hue: str) -> Float[Array, " b"]:
    """Return the mean squared error of HSV images.

    Args:
        prediction: hue in turns, saturation and value, each in [0, 1].
        target: the same shape.
        hue: "linear" compares hues as numbers, as the paper does; "circular" takes the shorter way
            around the circle, at most half a turn.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ, or `hue` is neither.

    Reference: HAQAGen Eq. (4); the circular form is ours.
    """
    prediction, target = paired(prediction, target)
    difference = prediction - target
    if Hue(hue) is Hue.CIRCULAR:
        turns = difference[..., :1]
        shorter = turns - jnp.round(turns)
        difference = jnp.concatenate([shorter, difference[..., 1:]], -1)
    return jnp.square(difference).mean((1, 2, 3))
