"""Metrics of perceived color: CIEDE2000 differences and colorfulness."""

import math

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import AnyArray, Images, Like, paired
from haqagen_jax.ops.color import rgb_to_lab
from haqagen_jax.ops.precision import at_least_float32

Labs = Float[AnyArray, "*n 3"]


def ciede2000(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean perceived color difference (CIEDE2000) of corresponding pixels.

    Args:
        prediction: sRGB-encoded values in [0, 1].
        target: The same shape.

    Returns:
        Mean Delta E 2000 (b,) under D65; about 1 is just noticeable, 0 equal.

    Raises:
        ValueError: The shapes differ, or there are not three channels.

    Reference: Sharma, Wu and Dalal (2005); see `delta_e_2000`.

    Examples:
        >>> first = jnp.full((1, 4, 4, 3), 0.5)
        >>> round(float(ciede2000(first, first + 0.02)[0]), 2)
        1.91
    """
    prediction, target = paired(prediction, target)
    _require_colors(prediction, "a color difference")
    return delta_e_2000(rgb_to_lab(prediction), rgb_to_lab(target)).mean((1, 2))


def delta_e_2000(first: Labs, second: Like) -> Float[Array, "*n"]:
    """Return the CIEDE2000 difference of colors, with all three weights 1.

    A gray has no hue: its difference to any color is one of lightness and chroma.

    Args:
        first: CIE Lab, channels last.
        second: The same shape.

    Returns:
        Delta E 2000, 0 or more; symmetric.

    Raises:
        ValueError: The shapes differ.

    Reference: Sharma, Wu and Dalal, "The CIEDE2000 Color-Difference Formula" (2005), Eq. (2) to
        (22), whose numbers stand beside the lines.
    """
    first, second = paired(first, second, names=("first", "second"))
    l1, a1, b1 = jnp.moveaxis(first, -1, 0)
    l2, a2, b2 = jnp.moveaxis(second, -1, 0)
    c7 = ((jnp.hypot(a1, b1) + jnp.hypot(a2, b2)) / 2) ** 7  # (2, 3)
    stretch = 1.5 - 0.5 * jnp.sqrt(c7 / (c7 + 25.0**7))  # (4): 1 + G
    a1, a2 = stretch * a1, stretch * a2  # (5)
    c1, c2 = jnp.hypot(a1, b1), jnp.hypot(a2, b2)  # (6)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)  # (7)
    turn = h2 - h1
    far = jnp.abs(turn) > math.pi  # the shorter arc leads through hue 0
    turn = jnp.where(far, turn - jnp.sign(turn) * 2 * math.pi, turn)  # (10)
    dl, dc = l2 - l1, c2 - c1  # (8, 9)
    # (11): 0 where one color is gray, so that a hue it does not have plays no part.
    dh = 2 * jnp.sqrt(c1 * c2) * jnp.sin(turn / 2)
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # (12, 13)  # noqa: E741
    # (14): the middle of the shorter arc, from 0 to a whole turn as (16) requires.
    h = jnp.where(far, (h1 + h2) / 2 + math.pi, (h1 + h2) / 2) % (2 * math.pi)
    t = (
        1
        - 0.17 * jnp.cos(h - math.radians(30))
        + 0.24 * jnp.cos(2 * h)
        + 0.32 * jnp.cos(3 * h + math.radians(6))
        - 0.20 * jnp.cos(4 * h - math.radians(63))
    )  # (15)
    bend = math.radians(30) * jnp.exp(-jnp.square((jnp.rad2deg(h) - 275) / 25))  # (16)
    c7 = c**7
    light = jnp.square(l - 50)
    dl = dl / (1 + 0.015 * light / jnp.sqrt(20 + light))  # (18)
    dc = dc / (1 + 0.045 * c)  # (19)
    dh = dh / (1 + 0.015 * c * t)  # (20)
    rotation = -2 * jnp.sqrt(c7 / (c7 + 25.0**7)) * jnp.sin(2 * bend)  # (17, 21)
    # (22); rounding can take the sum below zero where the colors are nearly equal.
    return jnp.sqrt(jnp.maximum(dl**2 + dc**2 + dh**2 + rotation * dc * dh, 0.0))


def colorfulness(image: Images) -> Float[Array, " b"]:
    """Return the colorfulness of images.

    Args:
        image: sRGB-encoded values in [0, 1].

    Returns:
        M of the 0 to 255 scale, (b,): 0 for gray, about 15 for slightly colorful, 109 for
        extremely.

    Raises:
        ValueError: There are not three channels.

    Reference: Hasler and Süsstrunk, "Measuring colorfulness in natural images" (2003), Sec. 5.

    Examples:
        >>> gray = jnp.full((1, 4, 4, 3), 0.5)
        >>> colorfulness(gray).tolist()
        [0.0]
    """
    image = at_least_float32(image)
    _require_colors(image, "colorfulness")
    r, g, b = jnp.moveaxis(255 * image, -1, 0)
    opponents = jnp.stack([r - g, (r + g) / 2 - b])
    spread = jnp.sqrt(opponents.var((2, 3)).sum(0))
    offset = jnp.sqrt(jnp.square(opponents.mean((2, 3))).sum(0))
    return spread + 0.3 * offset


def _hue(a: Float[Array, "*n"], b: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return the hue as an angle in [0, 2 pi), 0 for gray."""
    return jnp.arctan2(b, a) % (2 * math.pi)


def _require_colors(image: Float[Array, "b h w c"], what: str) -> None:
    if image.shape[-1] != 3:
        raise ValueError(f"images have {image.shape[-1]} channels; {what} needs 3")
