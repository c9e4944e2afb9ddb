"""LPIPS, version 0.1: the perceptual distance of images by features of AlexNet or VGG-16.

Images are [b h w 3] RGB in [0, 1], sRGB-encoded, channels last. The published network takes
[-1, 1] and subtracts and divides by constants of its own; together that is ImageNet's mean and
standard deviation on [0, 1], which is what happens here. Gradients are finite, equal images
included. The weights are not shipped: see `haqagen_jax.weights`.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from haqagen_jax.models.imagenet import Layer, Stages, activations
from haqagen_jax.models.vgg import VGG16
from haqagen_jax.types import PerImage, Rgb

_EPSILON = 1e-10  # added to the length of features, as in the published code

ALEXNET = (
    (Layer("conv1", 64, side=11, stride=4, padding=2),),
    (Layer("conv2", 192, side=5, padding=2),),
    (Layer("conv3", 384), Layer("conv4", 256), Layer("conv5", 256)),
)


class Backbone(NamedTuple):
    """A network, and the layers whose activations LPIPS compares."""

    stages: Stages
    pool: int
    compared: tuple[str, ...]  # names of the layers
    smallest: int  # side of the smallest image that all layers still see, pixels

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the compared layers."""
        widths = {layer.name: layer.channels for stage in self.stages for layer in stage}
        return tuple(widths[name] for name in self.compared)


BACKBONES = {
    "alex": Backbone(ALEXNET, 3, ("conv1", "conv2", "conv3", "conv4", "conv5"), smallest=31),
    "vgg": Backbone(VGG16, 2, ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"), smallest=16),
}


class Lpips(nn.Module):
    """The perceptual distance of images. One collection, params.

    Attributes:
        backbone: "alex" or "vgg".

    Reference: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
      Metric" (2018), Eq. (1); Krizhevsky, "One weird trick for parallelizing convolutional neural
      networks" (2014), for AlexNet; Simonyan and Zisserman 2015, Table 1, for VGG-16.
    """

    backbone: str

    @nn.compact
    def __call__(self, prediction: Rgb, target: Rgb) -> PerImage:
        """Compare images.

        Args:
            prediction: RGB in [0, 1], at least `BACKBONES[backbone].smallest` pixels high and wide.
            target: The same shape.

        Returns:
            Distances (b,); 0 for equal images.
        """
        both = _Features(self.backbone, name="features")(jnp.concatenate([prediction, target]))
        differences = [jnp.square(jnp.subtract(*jnp.split(_unit(x), 2))) for x in both]
        return _Heads(BACKBONES[self.backbone].channels, name="heads")(differences)


class _Features(nn.Module):
    backbone: str

    @nn.compact
    def __call__(self, image: Rgb) -> list[Float[Array, "b _ _ _"]]:
        stages, pool, compared, _ = BACKBONES[self.backbone]
        outputs = activations(image, stages, pool=pool)
        return [outputs[name] for name in compared]


class _Heads(nn.Module):
    """The mean over all positions, weighted by channel and summed over the layers."""

    channels: tuple[int, ...]

    @nn.compact
    def __call__(self, differences: list[Float[Array, "b _ _ _"]]) -> PerImage:
        total = jnp.zeros(len(differences[0]))
        for index, (width, difference) in enumerate(zip(self.channels, differences, strict=True)):
            weight = self.param(f"lin{index}", nn.initializers.ones, (width,))
            total += (difference.mean((1, 2)) * weight[None]).sum(-1)
        return total


def _unit(features: Float[Array, "b i j c"]) -> Float[Array, "b i j c"]:
    """Scale the features of every position to length 1."""
    squares = jnp.square(features).sum(-1, keepdims=True)
    positive = squares > 0  # the slope of the root at zero is infinite
    length = jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1.0)), 0.0)
    return features / (length + _EPSILON)
