"""What the networks trained on ImageNet share: their input's scale and their convolutions.

A network is a table: stages of convolutions, each followed by a ReLU, with a maximum pooling
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
    """One convolution: its name, output channels, and its window's side, step and padding."""

    name: str
    channels: int
    side: int = 3
    stride: int = 1
    padding: int = 1


Stages = Sequence[Sequence[Layer]]


def activations(image: Rgb, stages: Stages, *, pool: int) -> dict[str, Float[Array, "b i j c"]]:
    """Runs a network's convolutions, as submodules of the module whose method calls this.

    Args:
      image: RGB in [0, 1], sRGB-encoded; ImageNet's mean and standard deviation are applied here.
      stages: the network.
      pool: side of the pooling's window; its step is 2, and nothing is padded.

    Returns:
      What comes out of every ReLU, by the name of its convolution, in order.
    """
    x = (image - jnp.asarray(MEAN)[None, None, None]) / jnp.asarray(STD)[None, None, None]
    found = {}
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
            x = found[name] = nn.relu(conv(x))
    return found
