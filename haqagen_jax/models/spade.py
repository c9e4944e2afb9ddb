"""SPADE: normalization whose scale and shift are computed from a conditioning map.

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
    """The SPADE norm, Eq. (1): gamma(map) * norm(x) + beta(map).

    Attributes:
        hidden: Hidden channels between the map and its scale and shift.
        dtype: Dtype of the convolutions.
    """

    hidden: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], condition: Float[Array, "b H W m"]
    ) -> Float[Array, "b h w c"]:
        """Normalize and modulate features.

        Args:
            x: Features, b h w c.
            condition: Conditioning map of any size, b H W m; resized to `x` by nearest neighbor.

        Returns:
            The modulated features, b h w c.
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
    """Two spectrally normalized convolutions after SPADE norms, and a shortcut.

    Attributes:
        features: Number of output channels.
        hidden: Hidden channels of the SPADE norms.
        dtype: Dtype of the convolutions.
    """

    features: int
    hidden: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], condition: Float[Array, "b H W m"], *, train: bool
    ) -> Float[Array, "b h w o"]:
        """Modulate and convolve features twice.

        Args:
            x: Features, b h w i.
            condition: Conditioning map of any size, b H W m.
            train: Whether the spectral norms take a step of power iteration.

        Returns:
            Features of the same height and width, b h w o.
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
    """ReLU, transposed convolution to twice the size, SPADE-ResNet block where there is a map.

    Attributes:
        features: Number of output channels.
        hidden: Hidden channels of the SPADE norms.
        even: Project the kernel by `haqagen_jax.models.layers.even_phases`.
        dtype: Dtype of the convolutions.
    """

    features: int
    hidden: int
    even: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w i"], condition: Float[Array, "b H W m"] | None, *, train: bool
    ) -> Float[Array, "b H2 W2 o"]:
        """Double the size of features.

        Args:
            x: Features, b h w i.
            condition: Conditioning map of any size, b H W m; None for a stage without SPADE.
            train: Whether the spectral norms take a step of power iteration.

        Returns:
            Features of twice the height and width, b (2 h) (2 w) o.
        """
        # The smooth start upsamples a 1x1 map to four equal samples. Without SPADE's shift a norm
        # would turn them into zeros, through which no gradient flows.
        start = smooth_upsampling if condition is not None else kernel_init
        up = ConvTranspose4x4Up(self.features, self.even, start, dtype=self.dtype, name="up")
        x = up(jax.nn.relu(x))
        if condition is None:
            return x
        block = SpadeResnetBlock(self.features, self.hidden, dtype=self.dtype, name="spade")
        return block(x, condition, train=train)
