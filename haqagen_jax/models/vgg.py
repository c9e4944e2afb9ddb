"""VGG-19 up to relu4_2: the features g of the perceptual loss.

Images are [b h w 3] RGB in [0, 1], sRGB-encoded, channels last; ImageNet's mean and standard
deviation are applied here. Arithmetic is float32, on accelerators too. Sizes that are no multiple
of 8 lose the remainder, as the pooling does. The weights come from the user: see
`haqagen_jax.interop.vgg`.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from haqagen_jax.types import Rgb

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB
STD = (0.229, 0.224, 0.225)
# (layer, channels) up to conv4_2; a stage ends with a 2x2 maximum.
STAGES = (
    (("conv1_1", 64), ("conv1_2", 64)),
    (("conv2_1", 128), ("conv2_2", 128)),
    (("conv3_1", 256), ("conv3_2", 256), ("conv3_3", 256), ("conv3_4", 256)),
    (("conv4_1", 512), ("conv4_2", 512)),
)


class Vgg19(nn.Module):
    """The first ten convolutions of VGG-19, configuration E.

    Reference: Simonyan and Zisserman 2015, Table 1; Sec. 3.2 names the layer.
    """

    @nn.compact
    def __call__(self, image: Rgb) -> Float[Array, "b h8 w8 512"]:
        """Compute the activations after the ReLU of conv4_2.

        Args:
          image: in [0, 1], at least 8 by 8.

        Returns:
          Features at an eighth of the size, rounded down; 0 or more.
        """
        x = (image - jnp.asarray(MEAN)[None, None, None]) / jnp.asarray(STD)[None, None, None]
        for index, stage in enumerate(STAGES):
            if index > 0:
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            for name, channels in stage:
                exact = lax.Precision.HIGHEST
                conv = nn.Conv(channels, (3, 3), padding=1, precision=exact, name=name)
                x = nn.relu(conv(x))
        return x
