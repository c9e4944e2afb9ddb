"""EfficientNet-Lite0's trunk: features of an image at five scales.

Inverted bottlenecks of depthwise-separable convolutions, ReLU6, no squeeze-and-excitation. Batch
norms are folded: a scale and a shift per channel, which are parameters. Not handled: the
classifier, and running statistics that are updated.

Reference: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
(2019), Table 1; the Lite variant of 2020 (tensorflow/tpu, efficientnet/lite).
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.ops.depthwise import depthwise_conv

STEM = 32  # channels
MULTIPLE = 32  # of height and width: five halvings
_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Stage(NamedTuple):
    """Consecutive blocks of one kind; the first one strides and changes the number of channels."""

    kernel: int
    stride: int
    expansion: int
    features: int
    blocks: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
_OUTPUTS = (0, 1, 2, 4, 6)  # the last stages at each size
FEATURES = tuple(STAGES[i].features for i in _OUTPUTS)  # at 1/2, 1/4, 1/8, 1/16 and 1/32


class Norm(nn.Module):
    """A folded batch norm: a scale and a shift per channel."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Return scale * x + bias.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape and dtype.
        """
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return x * scale.astype(x.dtype)[None, None, None] + bias.astype(x.dtype)[None, None, None]


class Pointwise(nn.Module):
    """A 1x1 convolution without bias.

    Attributes:
        features: Number of output channels.
        dtype: Dtype of the computation.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """Convolve.

        Args:
            x: Feature map, b h w i.

        Returns:
            A map of the same height and width, b h w o.
        """
        kernel = self.param("kernel", _INIT, (x.shape[-1], self.features))
        return x.astype(self.dtype) @ kernel.astype(self.dtype)


class Depthwise(nn.Module):
    """A depthwise convolution without bias; see `ops.depthwise.depthwise_conv`.

    Attributes:
        side: Side of the kernels, pixels.
        stride: 1 or 2, along both axes.
        dtype: Dtype of the computation.
    """

    side: int
    stride: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b H W c"]:
        """Convolve each channel.

        Args:
            x: Feature map; height and width are multiples of the stride.

        Returns:
            A map of 1 / stride of the height and width.
        """
        shape = (self.side, self.side, x.shape[-1])
        # Each kernel has one output channel, so the fan-out is the number of its taps.
        kernel = self.param("kernel", nn.initializers.normal((2 / self.side**2) ** 0.5), shape)
        return depthwise_conv(x.astype(self.dtype), kernel.astype(self.dtype), self.stride)


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution and projection, with a residual where shapes allow it.

    Attributes:
        kernel: Side of the depthwise kernels, pixels.
        stride: 1 or 2, along both axes.
        expansion: Inner channels over those of the input.
        features: Number of output channels.
        dtype: Dtype of the convolutions.
    """

    kernel: int
    stride: int
    expansion: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b H W o"]:
        """Apply the block.

        Args:
            x: Feature map; height and width are multiples of the stride.

        Returns:
            A map of 1 / stride of the height and width.
        """
        y, inputs = x, x.shape[-1]
        if self.expansion > 1:
            y = Pointwise(self.expansion * inputs, dtype=self.dtype, name="expand")(y)
            y = nn.relu6(Norm(name="expand_norm")(y))
        y = Depthwise(self.kernel, self.stride, dtype=self.dtype, name="depthwise")(y)
        y = nn.relu6(Norm(name="depthwise_norm")(y))
        y = Pointwise(self.features, dtype=self.dtype, name="project")(y)
        y = Norm(name="project_norm")(y)
        return x + y if self.stride == 1 and inputs == self.features else y


class EfficientNetLite0(nn.Module):
    """The trunk. One collection, params.

    Attributes:
        dtype: Dtype of the convolutions.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Float[Array, "b h w 3"]) -> list[Float[Array, "b H W c"]]:
        """Compute features at five scales.

        Args:
            image: RGB in [0, 1], b h w 3; height and width are multiples of 32.

        Returns:
            Maps of `FEATURES` channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size.
        """
        x = self._stem((255 * image - 127) / 128)  # as the published weights were trained
        outputs, number = [], 0
        for index, stage in enumerate(STAGES):
            for i in range(stage.blocks):
                stride = 1 if i else stage.stride
                x = InvertedBottleneck(
                    *(stage.kernel, stride, stage.expansion, stage.features),
                    dtype=self.dtype,
                    name=f"block_{number}",
                )(x)
                number += 1
            if index in _OUTPUTS:
                outputs.append(x)
        return outputs

    def _stem(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b H W c"]:
        """Apply the first convolution, which halves the size."""
        kernel = self.param("stem", _INIT, (3, 3, 3, STEM))
        x = lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            (2, 2),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return jax.nn.relu6(Norm(name="stem_norm")(x))
