"""G_B: the compact network that predicts hue, saturation and value from the NIR image.

A U-shaped network of depthwise-separable convolutions: full resolution at both ends, four halvings
between. Input in [0, 1], height and width multiples of 16; output in (0, 1).

Reference: HAQAGen Sec. 3.3 ("compact depthwise-separable CNN (about 4M params)"); the layout is
ours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import Conv3x3, Dense, DepthwiseConv3x3, leaky_relu, maybe_remat
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.precision import at_least_float32
from haqagen_jax.ops.resample import halve, resize_nearest

SCALES = 5


class SeparablePair(nn.Module):
    """Twice: a depthwise 3x3, a pointwise convolution, instance norm and LeakyReLU.

    Attributes:
        features: Number of output channels.
        dtype: Dtype of the convolutions.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """Compute features.

        Args:
            x: Feature map, b h w i.

        Returns:
            A map of the same height and width, b h w o.
        """
        for i in range(2):
            x = DepthwiseConv3x3(dtype=self.dtype, name=f"depthwise_{i}")(x)
            x = Dense(self.features, dtype=self.dtype, name=f"pointwise_{i}")(x)
            x = leaky_relu(instance_norm(x))
        return x


class HsvBranch(nn.Module):
    """G_B, the HSV branch: the color prior's network. One collection, params.

    Attributes:
        width: Channels at full resolution; each halving doubles them.
        remat: Compute the activations inside blocks again in the backward pass.
        dtype: Dtype of the convolutions.
    """

    width: int
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 3"]:
        """Predict HSV.

        Args:
            nir: NIR in [0, 1], b h w 1.

        Returns:
            Hue, saturation and value in (0, 1), b h w 3, float32.
        """
        x = leaky_relu(Conv3x3(self.width, dtype=self.dtype, name="stem")(nir))
        skips = []
        for scale in range(SCALES):
            if scale:
                skips.append(x)
                x = halve(x)
            pair = SeparablePair(self.width * 2**scale, dtype=self.dtype, name=f"encoder_{scale}")
            x = maybe_remat(pair, x, remat=self.remat)
        for scale in reversed(range(SCALES - 1)):
            skip = skips[scale]
            _, h, w, _ = skip.shape
            x = jnp.concatenate([skip, resize_nearest(x, height=h, width=w)], -1)
            pair = SeparablePair(self.width * 2**scale, dtype=self.dtype, name=f"decoder_{scale}")
            x = maybe_remat(pair, x, remat=self.remat)
        return jax.nn.sigmoid(at_least_float32(Conv3x3(3, dtype=self.dtype, name="head")(x)))
