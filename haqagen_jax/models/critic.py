"""The critics: 70x70 PatchGANs for RGB and HSV.

HAQAGen's share all but their first convolution, ColorMamba's share nothing.

Reference: HAQAGen Sec. 3.2 and 3.3; Zhai et al., "ColorMamba: Towards High-quality NIR-to-RGB
Spectral Translation with Mamba" (2024), and its code; Isola et al., "Image-to-Image Translation
with Conditional Adversarial Networks" (2017), for the receptive field.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import SpectralConv, kernel_init, leaky_relu
from haqagen_jax.ops.pairing import deinterleave, interleave
from haqagen_jax.ops.precision import at_least_float32

_LAST = "trunk_3"  # the convolution that computes the logits


class CriticOutput(NamedTuple):
    """One logit per patch for each color space; 30 x 30 patches for 256 x 256 pixels."""

    rgb: Float[Array, "b p q 1"]
    hsv: Float[Array, "b p q 1"]


class Critic(nn.Module):
    """D_RGB and D_HSV: two stems on one trunk. Collections: params, spectral.

    Attributes:
        width: Channels of the stems.
        dtype: Dtype of the convolutions.
    """

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, rgb: Float[Array, "b h w 3"], hsv: Float[Array, "b h w 3"], *, train: bool = False
    ) -> CriticOutput:
        """Compute the logits of patches.

        Args:
            rgb: RGB images in [0, 1], b h w 3.
            hsv: HSV images in [0, 1], b h w 3; need not belong to `rgb`.
            train: Take a step of power iteration; "spectral" must then be mutable.

        Returns:
            Logits, float32; positive means real.
        """

        def conv(name: str, features: int, stride: int, x: Array) -> Array:
            layer = SpectralConv(features, 4, stride, dtype=self.dtype, name=name)
            return layer(x, train=train)

        stems = [conv("stem_rgb", self.width, 2, rgb), conv("stem_hsv", self.width, 2, hsv)]
        return CriticOutput(*deinterleave(_trunk(conv, self.width, interleave(*stems))))


class ColorMambaCritic(nn.Module):
    """ColorMamba's D_RGB and D_HSV: two separate networks. Collections: params, spectral.

    Attributes:
        width: Channels of the first convolutions.
        dtype: Dtype of the convolutions.
    """

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, rgb: Float[Array, "b h w 3"], hsv: Float[Array, "b h w 3"], *, train: bool = False
    ) -> CriticOutput:
        """Compute the logits of patches.

        Args:
            rgb: RGB images in [0, 1], b h w 3.
            hsv: HSV images in [0, 1], b h w 3; need not belong to `rgb`.
            train: Take a step of power iteration; "spectral" must then be mutable.

        Returns:
            Logits, float32; the higher, the more real.
        """
        parts = [_PatchGan(self.width, self.dtype, name=name) for name in ("rgb", "hsv")]
        return CriticOutput(parts[0](rgb, train=train), parts[1](hsv, train=train))


class _PatchGan(nn.Module):
    """One PatchGAN, whose first and last convolution are not spectrally normalized."""

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"], *, train: bool) -> Float[Array, "b p q 1"]:
        def plain(name: str, features: int, stride: int, x: Array) -> Array:
            layer = nn.Conv(
                features,
                (4, 4),
                stride,
                padding=1,
                kernel_init=kernel_init,
                dtype=self.dtype,
                name=name,
            )
            return layer(x)

        def conv(name: str, features: int, stride: int, x: Array) -> Array:
            if name == _LAST:
                return plain(name, features, stride, x)
            layer = SpectralConv(features, 4, stride, dtype=self.dtype, name=name)
            return layer(x, train=train)

        return _trunk(conv, self.width, plain("stem", self.width, 2, image))


def _trunk(conv: Callable[[str, int, int, Array], Array], width: int, x: Array) -> Array:
    """Apply all but the first convolution; `conv` takes a name, channels, a stride and a map."""
    x = leaky_relu(x)
    x = leaky_relu(conv("trunk_0", 2 * width, 2, x))
    x = leaky_relu(conv("trunk_1", 4 * width, 2, x))
    x = leaky_relu(conv("trunk_2", 8 * width, 1, x))
    return at_least_float32(conv(_LAST, 1, 1, x))
