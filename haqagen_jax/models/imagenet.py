"""The parts that networks trained on ImageNet share: scaling of the input, and convolutions.

A network is given as a table: stages of convolutions, each followed by a ReLU, with max pooling
between two stages. Arithmetic is float32, on accelerators too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from haqagen_jax.types import Rgb

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB
STD = (0.229, 0.224, 0.225)


class Layer(NamedTuple):
    """One convolution: name and output channels, and side, stride and padding of its window."""

    name: str
    channels: int
    side: int = 3
    stride: int = 1
    padding: int = 1


Stages = Sequence[Sequence[Layer]]


def activations(image: Rgb, stages: Stages, *, pool: int) -> dict[str, Float[Array, "b i j c"]]:
    """Compute the activations of a network.

    Called inside a compact module, of which the convolutions become submodules.

    Args:
        image: RGB in [0, 1], sRGB-encoded, b h w 3; normalized here by ImageNet's mean and
            standard deviation.
        stages: The convolutions of the network, stage by stage.
        pool: Side of the pooling's window; its stride is 2, without padding.

    Returns:
        The output of every ReLU, by the name of its convolution, in order.
    """
    x = (image - jnp.asarray(MEAN)[None, None, None]) / jnp.asarray(STD)[None, None, None]
    outputs = {}
    for index, stage in enumerate(stages):
        if index > 0:
            x = nn.max_pool(x, (pool, pool), strides=(2, 2))
        for name, channels, side, stride, padding in stage:
            conv = nn.Conv(
                channels,
                (side, side),
                strides=stride,
                padding=padding,
                precision=lax.Precision.HIGHEST,
                name=name,
            )
            x = outputs[name] = nn.relu(conv(x))
    return outputs
