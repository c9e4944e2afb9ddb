"""The two critics: 70x70 PatchGANs for RGB and HSV that share all but their first convolution.

Reference: HAQAGen Sec. 3.2 and 3.3; Isola et al., "Image-to-Image Translation with Conditional
Adversarial Networks" (2017), for the receptive field.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import SpectralConv, leaky_relu
from haqagen_jax.ops.pairing import apart, by_turns
from haqagen_jax.ops.precision import at_least_float32


class CriticOutput(NamedTuple):
    """One logit a patch, for each colour space; 30 x 30 patches for 256 x 256."""

    rgb: Float[Array, "b p q 1"]
    hsv: Float[Array, "b p q 1"]


class Critic(nn.Module):
    """D_RGB and D_HSV: two stems on one trunk. Collections: params, spectral."""

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, rgb: Float[Array, "b h w 3"], hsv: Float[Array, "b h w 3"], *, train: bool = False
    ) -> CriticOutput:
        """Judges pictures.

        Args:
            rgb: in [0, 1].
            hsv: in [0, 1]; need not belong to `rgb`.
            train: take a step of power iteration; "spectral" must then be mutable.

        Returns:
            Logits, float32; positive means real.
        """

        def conv(name: str, features: int, stride: int, x: Array) -> Array:
            layer = SpectralConv(features, 4, stride, dtype=self.dtype, name=name)
            return layer(x, train=train)

        stems = [conv("stem_rgb", self.width, 2, rgb), conv("stem_hsv", self.width, 2, hsv)]
        x = leaky_relu(by_turns(*stems))
        x = leaky_relu(conv("trunk_0", 2 * self.width, 2, x))
        x = leaky_relu(conv("trunk_1", 4 * self.width, 2, x))
        x = leaky_relu(conv("trunk_2", 8 * self.width, 1, x))
        logits = at_least_float32(conv("trunk_3", 1, 1, x))
        return CriticOutput(*apart(logits))
