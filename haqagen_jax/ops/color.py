"""Color spaces: sRGB and linear light, hexcone HSV, CIE Lab under D65.

Arrays are float, channels last, nominally in [0, 1] (Lab: L in [0, 100], a and b about +-110).
Values outside the range are carried through by formula, not clipped. Gradients are finite for
every finite input, gray, black and white included: each branch that would divide by zero or take
the root of zero is fed a safe value before the `where` that discards it. ICC profiles, gamuts other
than sRGB and chromatic adaptation are not handled.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import AnyArray

Values = Float[AnyArray, "*n"]
Colors = Float[AnyArray, "*n 3"]

# IEC 61966-2-1.
_SRGB_KNEE = 0.04045
_LINEAR_KNEE = 0.0031308
_SLOPE = 12.92
_OFFSET = 0.055
_EXPONENT = 2.4
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)

# CIE 15: the cube root is replaced by its tangent below (6/29)^3.
_LAB_KNEE = (6 / 29) ** 3
_LAB_SLOPE = (29 / 6) ** 2 / 3

# Chroma and value under this count as zero: the squares of their inverses still fit float32.
_ACHROMATIC = 1e-12


def srgb_to_linear(rgb: Values) -> Float[Array, "*n"]:
    """Undo the sRGB transfer curve.

    Args:
        rgb: sRGB-encoded values in [0, 1], any shape.

    Returns:
        Linear light in [0, 1], the same shape. Negative values stay on the linear segment.

    Reference: IEC 61966-2-1.

    Examples:
        >>> [round(float(x), 4) for x in srgb_to_linear(jnp.array([0.0, 0.5, 1.0]))]
        [0.0, 0.214, 1.0]
    """
    curved = rgb > _SRGB_KNEE
    base = (jnp.where(curved, rgb, 1.0) + _OFFSET) / (1 + _OFFSET)
    return jnp.where(curved, base**_EXPONENT, rgb / _SLOPE)


def linear_to_srgb(linear: Values) -> Float[Array, "*n"]:
    """Apply the sRGB transfer curve.

    Args:
        linear: Linear light in [0, 1], any shape.

    Returns:
        sRGB-encoded values in [0, 1], the same shape. Negative values stay on the linear segment.

    Reference: IEC 61966-2-1.

    Examples:
        >>> [round(float(x), 4) for x in linear_to_srgb(jnp.array([0.0, 0.214, 1.0]))]
        [0.0, 0.5, 1.0]
    """
    curved = linear > _LINEAR_KNEE
    base = jnp.where(curved, linear, 1.0)
    return jnp.where(curved, (1 + _OFFSET) * base ** (1 / _EXPONENT) - _OFFSET, linear * _SLOPE)


def srgb_encoded(rgb: Values, *, linear: bool) -> Float[Array, "*n"]:
    """Encode colors as sRGB, if they are not yet.

    Args:
        rgb: Values in [0, 1], any shape.
        linear: Whether the values are linear light; if not, they are sRGB-encoded already.

    Returns:
        sRGB-encoded values in [0, 1], the same shape.
    """
    return linear_to_srgb(rgb) if linear else jnp.asarray(rgb)


def rgb_to_hsv(rgb: Colors) -> Float[Array, "*n 3"]:
    """Convert RGB to hexcone HSV.

    Args:
        rgb: sRGB-encoded values in [0, 1], channels last.

    Returns:
        Hue (in turns: 1/3 is green), saturation and value, each in [0, 1]. Hue is 0 at gray, and
        saturation 0 at black; their gradients are 0 there.

    Reference: Smith, "Color gamut transform pairs" (1978); HAQAGen Sec. 3.

    Examples:
        >>> [round(float(x), 3) for x in rgb_to_hsv(jnp.array([0.0, 0.5, 0.0]))]
        [0.333, 1.0, 0.5]
    """
    rgb = jnp.asarray(rgb)
    r, g, b = jnp.moveaxis(rgb, -1, 0)
    value = rgb.max(-1)
    chroma = value - rgb.min(-1)
    colored = chroma > _ACHROMATIC
    lit = value > _ACHROMATIC
    divisor = jnp.where(colored, chroma, 1.0)
    from_red = (g - b) / divisor + jnp.where(g < b, 6.0, 0.0)
    from_green = (b - r) / divisor + 2.0
    from_blue = (r - g) / divisor + 4.0
    sector = jnp.where(value == r, from_red, jnp.where(value == g, from_green, from_blue))
    hue = jnp.where(colored, sector / 6.0, 0.0)
    saturation = jnp.where(lit, chroma / jnp.where(lit, value, 1.0), 0.0)
    return jnp.stack([hue, saturation, value], -1)


def hsv_to_rgb(hsv: Colors) -> Float[Array, "*n 3"]:
    """Convert hexcone HSV to RGB.

    Args:
        hsv: Hue in turns (wraps outside [0, 1]), saturation and value in [0, 1], channels last.

    Returns:
        RGB in [0, 1], the same shape.

    Reference: the inverse of `rgb_to_hsv`; HAQAGen Sec. 3.

    Examples:
        >>> [round(float(x), 3) for x in hsv_to_rgb(jnp.array([1 / 3, 1.0, 0.5]))]
        [0.0, 0.5, 0.0]
    """
    hue, saturation, value = jnp.moveaxis(jnp.asarray(hsv), -1, 0)

    def channel(start: float) -> Float[Array, "*n"]:
        # Distance along the hexagon from where this channel is at its minimum.
        sector = (start + 6.0 * hue) % 6.0
        dip = jnp.clip(jnp.minimum(sector, 4.0 - sector), 0.0, 1.0)
        return value * (1.0 - saturation * dip)

    return jnp.stack([channel(5.0), channel(3.0), channel(1.0)], -1)


def rgb_to_lab(rgb: Colors) -> Float[Array, "*n 3"]:
    """Convert sRGB to CIE Lab under D65.

    Args:
        rgb: sRGB-encoded values in [0, 1], channels last.

    Returns:
        L in [0, 100], a and b; white is exactly neutral (a = b = 0 to rounding).

    Reference: CIE 15; IEC 61966-2-1 for the primaries. HAQAGen Sec. 4.1.

    Examples:
        >>> [round(float(x), 1) for x in rgb_to_lab(jnp.array([1.0, 0.0, 0.0]))]
        [53.2, 80.1, 67.2]
    """
    matrix = jnp.asarray(_RGB_TO_XYZ, rgb.dtype)
    # Rows divided by the white point, so that white maps to (1, 1, 1).
    matrix = matrix / matrix.sum(1, keepdims=True)
    xyz = jnp.einsum(
        "...c,xc->...x", srgb_to_linear(rgb), matrix, precision=jax.lax.Precision.HIGHEST
    )
    curved = xyz > _LAB_KNEE
    root = jnp.cbrt(jnp.where(curved, xyz, 1.0))
    f = jnp.where(curved, root, xyz * _LAB_SLOPE + 4 / 29)
    x, y, z = jnp.moveaxis(f, -1, 0)
    return jnp.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], -1)
