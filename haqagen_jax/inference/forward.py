"""The functions of a batch of NIR tiles: to colors, or to the local affine model of the colors.

Pure functions, float32, channels last; compiled by `haqagen_jax.inference.predictor`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.color import srgb_encoded
from haqagen_jax.ops.guided import guided_coefficients
from haqagen_jax.ops.resample import halve

TOLERANCE = 1e-3  # mean squared residual of a box's fit that halves its weight; chosen on epfl/val
Forward = Callable[[Mapping[str, Any], Float[Array, "b h w c"]], Float[Array, "b h w k"]]


@runtime_checkable
class Network(Protocol):
    """The interface that inference needs: Flax modules have it, and so do the baselines."""

    @property
    def apply(self) -> Callable[..., Any]:
        """(variables, nir [b h w c]) -> a named tuple whose `rgb` is [b h w 3]."""
        ...


def colors(network: Network, *, channels: int, linear: bool) -> Forward:
    """Build the function from NIR to colors.

    Args:
        network: see `Network`.
        channels: of its input; what follows them in a tile is not for the network.
        linear: its colors are linear light; else sRGB-encoded.

    Returns:
        A function of variables and prepared NIR, to sRGB-encoded colors in [0, 1].
    """

    def forward(variables: Mapping[str, Any], nir: Float[Array, "b h w c"]) -> Array:
        rgb = network.apply(variables, nir[..., :channels]).rgb
        return srgb_encoded(rgb.astype(jnp.float32), linear=linear)

    return forward


def ensemble(forward: Forward, *, multiple: int) -> Forward:
    """Average colors over an image, its mirror image, and both at half the size.

    Args:
        forward: to colors.
        multiple: what heights and widths of its input must be multiples of.

    Returns:
        A function of the same kind. Half the size is left out where `multiple` does not allow it.
    """

    def both(variables: Mapping[str, Any], nir: Float[Array, "b h w c"]) -> Array:
        return (forward(variables, nir) + forward(variables, nir[:, :, ::-1])[:, :, ::-1]) / 2

    def mean(variables: Mapping[str, Any], nir: Float[Array, "b h w c"]) -> Array:
        _, h, w, _ = nir.shape
        full = both(variables, nir)
        if h % (2 * multiple) or w % (2 * multiple):
            return full
        half = both(variables, halve(nir))
        return (full + jax.image.resize(half, full.shape, "linear")) / 2

    return mean


def affine_model(forward: Forward, *, channels: int, radius: int, eps: float) -> Forward:
    """Fit colors to the NIR image: see `haqagen_jax.ops.guided`.

    Args:
        forward: to colors.
        channels: of the network's input. One more is the weight of each pixel, 0 where the image
            holds no data.
        radius: of the boxes, pixels.
        eps: what is added to the variance of the NIR image.

    Returns:
        A function to a and b of color = a * nir + b, (b, h, w, 6).
    """

    def fit(variables: Mapping[str, Any], nir: Float[Array, "b h w c"]) -> Array:
        rgb = forward(variables, nir)
        weight = nir[..., channels:] if nir.shape[-1] > channels else None
        model = guided_coefficients(
            nir[..., :1], rgb, radius=radius, eps=eps, tolerance=TOLERANCE, weight=weight
        )
        return jnp.concatenate(model, axis=-1)

    return fit


def constant_model(forward: Forward) -> Forward:
    """Return the colors as a constant model, independent of the NIR image: a = 0, b = color.

    Args:
        forward: to colors.

    Returns:
        A function of the kind of `affine_model`'s.
    """

    def fit(variables: Mapping[str, Any], nir: Float[Array, "b h w c"]) -> Array:
        rgb = forward(variables, nir)
        return jnp.concatenate([jnp.zeros_like(rgb), rgb], axis=-1)

    return fit
