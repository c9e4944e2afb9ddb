"""VGG-19 or VGG-16 up to relu4_2: the features g of the perceptual loss.

Images are [b h w 3] RGB in [0, 1], sRGB-encoded, channels last. The pooling drops the
remainder of a size that is no multiple of 8. The weights are not shipped: see
`haqagen_jax.weights`.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from haqagen_jax.models.imagenet import Layer, activations
from haqagen_jax.types import Rgb

# VGG-19 up to conv4_2, and all of VGG-16's convolutions.
VGG19 = (
    (Layer("conv1_1", 64), Layer("conv1_2", 64)),
    (Layer("conv2_1", 128), Layer("conv2_2", 128)),
    tuple(Layer(f"conv3_{i}", 256) for i in (1, 2, 3, 4)),
    (Layer("conv4_1", 512), Layer("conv4_2", 512)),
)
VGG16 = (
    *VGG19[:2],
    VGG19[2][:3],
    tuple(Layer(f"conv4_{i}", 512) for i in (1, 2, 3)),
    tuple(Layer(f"conv5_{i}", 512) for i in (1, 2, 3)),
)


_UP_TO_RELU4_2 = {"vgg19": VGG19, "vgg16": (*VGG16[:3], VGG16[3][:2])}


class Vgg(nn.Module):
    """The convolutions of a VGG network up to conv4_2: ten of VGG-19, nine of VGG-16.

    Attributes:
        network: "vgg19" (configuration E), the paper's, or "vgg16" (D).

    Reference: Simonyan and Zisserman 2015, Table 1; HAQAGen Sec. 3.2 names the layer.
    """

    network: str = "vgg19"

    @nn.compact
    def __call__(self, image: Rgb) -> Float[Array, "b h8 w8 512"]:
        """Compute the activations after the ReLU of conv4_2.

        Args:
            image: RGB in [0, 1], at least 8 x 8 pixels.

        Returns:
            Features at an eighth of the size, rounded down; 0 or more.
        """
        return activations(image, _UP_TO_RELU4_2[self.network], pool=2)["conv4_2"]
