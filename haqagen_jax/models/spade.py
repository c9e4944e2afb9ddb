"""SPADE: normalization whose scale and shift are painted by a conditioning map.

Reference: Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization" (2019);
HAQAGen Eq. (1), read with the block's own norm and with gamma = 1 + conv(map).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import (
    Conv3x3,
    ConvTranspose4x4Up,
    SpectralConv,
    kernel_init,
    leaky_relu,
    smooth_upsampling,
)
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.resample import resize_nearest


class Spade(nn.Module):
    """Eq. (1): gamma(map) * norm(x) + beta(map)."""

    hidden: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], condition: Float[Array, "b H W m"]
    ) -> Float[Array, "b h w c"]:
        """Modulates.

        Args:
            x: features.
            condition: the conditioning map, resized to `x` by nearest neighbor.

        Returns:
            The modulated features.
        """
        _, h, w, c = x.shape
        condition = resize_nearest(condition, height=h, width=w)
        hidden = nn.relu(Conv3x3(self.hidden, dtype=self.dtype, name="shared")(condition))
        # Two convolutions of one input are one convolution of twice the width.
        gamma, beta = jnp.split(
            Conv3x3(2 * c, dtype=self.dtype, name="gamma_beta")(hidden), 2, axis=-1
        )
        return instance_norm(x) * (1 + gamma) + beta


class SpadeResnetBlock(nn.Module):
    """Two spectrally normalized convolutions behind SPADE norms, and a shortcut."""

    features: int
    hidden: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], condition: Float[Array, "b H W m"], *, train: bool
    ) -> Float[Array, "b h w o"]:
        """Modulates and convolves twice.

        Args:
            x: features.
            condition: the conditioning map, of any size.
            train: whether the spectral norms take a step of power iteration.

        Returns:
            Features of the same height and width.
        """

        def spade(name: str, x: Array) -> Array:
            return Spade(self.hidden, dtype=self.dtype, name=name)(x, condition)

        def conv(name: str, features: int, x: Array) -> Array:
            return SpectralConv(features, 3, dtype=self.dtype, name=name)(x, train=train)

        shortcut = x
        if x.shape[-1] != self.features:
            shortcut = SpectralConv(
                self.features, 1, padding=0, use_bias=False, dtype=self.dtype, name="conv_s"
            )(spade("norm_s", x), train=train)
        y = conv("conv_0", min(x.shape[-1], self.features), leaky_relu(spade("norm_0", x)))
        y = conv("conv_1", self.features, leaky_relu(spade("norm_1", y)))
        return shortcut + y


class DecoderStage(nn.Module):
    """ReLU, transposed convolution to twice the size, SPADE-ResNet block where there is a map."""

    features: int
    hidden: int
    even: bool = False  # see `haqagen_jax.models.layers.even_phases`
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], condition: Float[Array, "b H W m"] | None, *, train: bool
    ) -> Float[Array, "b H2 W2 o"]:
        """Returns features of twice the height and width."""
        # The smooth start makes four equal samples of one. Without SPADE's shift a norm would turn
        # them into zeros, through which no gradient flows.
        start = smooth_upsampling if condition is not None else kernel_init
        up = ConvTranspose4x4Up(self.features, self.even, start, dtype=self.dtype, name="up")
        x = up(jax.nn.relu(x))
        if condition is None:
            return x
        block = SpadeResnetBlock(self.features, self.hidden, dtype=self.dtype, name="spade")
        return block(x, condition, train=train)
