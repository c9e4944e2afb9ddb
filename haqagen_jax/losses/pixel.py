"""Pixelwise losses: `b h w c` images in [0, 1], float32 inside, one value per image."""

import enum

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired


class Hue(enum.StrEnum):
    """Ways to compare two hues."""

    LINEAR = "linear"
    CIRCULAR = "circular"

    @classmethod
    def _missing_(cls, value: object) -> None:
        known = " or ".join(repr(str(hue)) for hue in cls)
        raise ValueError(f"hue is {value!r}; it must be {known}")


def mse(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean squared error over pixels and channels.

    Args:
        prediction: Values in [0, 1].
        target: The same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (4).

    Examples:
        >>> mse(jnp.full((1, 4, 4, 3), 0.5), jnp.zeros((1, 4, 4, 3))).tolist()
        [0.25]
    """
    prediction, target = paired(prediction, target)
    return jnp.square(prediction - target).mean((1, 2, 3))


def hsv_mse(prediction: Images, target: Like, *, hue: str) -> Float[Array, " b"]:
    """Return the mean squared error of HSV images.

    Args:
        prediction: Hue in turns, saturation and value, each in [0, 1].
        target: The same shape.
        hue: "linear" compares hues as numbers, as the paper does; "circular" takes the shorter way
            around the circle, at most half a turn.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ, or `hue` is unknown.

    Reference: HAQAGen Eq. (4); the circular form is ours.

    Examples:
        >>> first = jnp.array([0.9, 1.0, 1.0]).reshape(1, 1, 1, 3)
        >>> second = jnp.array([0.1, 1.0, 1.0]).reshape(1, 1, 1, 3)
        >>> [round(float(hsv_mse(first, second, hue=hue)[0]), 4) for hue in ("linear", "circular")]
        [0.2133, 0.0133]
    """
    prediction, target = paired(prediction, target)
    difference = prediction - target
    if Hue(hue) is Hue.CIRCULAR:
        turns = difference[..., :1]
        shorter = turns - jnp.round(turns)
        difference = jnp.concatenate([shorter, difference[..., 1:]], -1)
    return jnp.square(difference).mean((1, 2, 3))
