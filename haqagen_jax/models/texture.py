"""The texture autoencoder f, the features of whose encoder the texture loss compares.

Images are [b h w c], channels last, in [0, 1], RGB and HSV alike; arithmetic is float32, on
accelerators too. The number of channels in and out is the input's, three in the paper. Any height
and width from 1 up: a stride-2 block rounds up, so features are [b ceil(h/8) ceil(w/8) 128], and
the decoder drops the surplus row or column where it doubles. Features are not normalized here; the
loss does that.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from haqagen_jax import paper

STRIDES = (1, 2, 2, 2)
SLOPE = 0.01  # LeakyReLU


class ReplicateConv(nn.Module):
    """A 3x3 convolution with replicated borders, which Linen's own `padding` does not offer.

    Attributes:
        features: Number of output channels.
        stride: 1 or 2, along both axes.
    """

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 d"]:
        """Convolve.

        Args:
            x: Feature map, b h w c.

        Returns:
            Map of size ceil(h / stride), ceil(w / stride) with `features` channels.
        """
        x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        strides = (self.stride, self.stride)
        initial = nn.initializers.he_normal()
        return nn.Conv(
            self.features,
            (3, 3),
            strides,
            padding="VALID",
            kernel_init=initial,
            precision=lax.Precision.HIGHEST,
            name="conv",
        )(x)


class TextureEncoder(nn.Module):
    """Four convolution blocks with strides 1, 2, 2, 2.

    Reference: Sec. 3.2, Sec. 3.3.
    """

    @nn.compact
    def __call__(self, image: Float[Array, "b h w c"]) -> Float[Array, "b h8 w8 d"]:
        """Compute the activations of the fourth block.

        Args:
            image: Images in [0, 1] of any height and width.

        Returns:
            Features at an eighth of the size, rounded up.
        """
        x = image
        blocks = zip(paper.TEXTURE_WIDTHS, STRIDES, strict=True)
        for index, (width, stride) in enumerate(blocks, start=1):
            x = nn.leaky_relu(ReplicateConv(width, stride, name=f"block{index}")(x), SLOPE)
        return x


class TextureDecoder(nn.Module):
    """The encoder mirrored: nearest upsampling where it strides; no skips, no last activation.

    Reference: Sec. 3.2; that it mirrors the encoder is ours.
    """

    @nn.compact
    def __call__(
        self, features: Float[Array, "b h8 w8 d"], *, shape: tuple[int, int, int]
    ) -> Float[Array, "b h w c"]:
        """Reconstruct an image.

        Args:
            features: Features from `TextureEncoder`.
            shape: Height, width and channels of the image.

        Returns:
            The reconstruction; not clipped to [0, 1].
        """
        height, width, channels = shape
        x = features
        for level in (3, 2, 1):
            size = (-(-height // 2 ** (level - 1)), -(-width // 2 ** (level - 1)))
            convolve = ReplicateConv(paper.TEXTURE_WIDTHS[level - 1], name=f"block{level + 1}")
            x = nn.leaky_relu(convolve(_double(x, size)), SLOPE)
        return ReplicateConv(channels, name="block1")(x)


class TextureAutoencoder(nn.Module):
    """The network f.

    Reference: Sec. 3.2, Sec. 3.3; the widths are ours.
    """

    def setup(self) -> None:
        """Create the two halves."""
        self.encoder = TextureEncoder()
        self.decoder = TextureDecoder()

    def __call__(self, image: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Reconstruct an image from its features.

        Args:
            image: Images in [0, 1] of any height and width.

        Returns:
            The reconstruction, of the input's shape; not clipped to [0, 1].
        """
        _, height, width, channels = image.shape
        return self.decoder(self.encoder(image), shape=(height, width, channels))

    def encode(self, image: Float[Array, "b h w c"]) -> Float[Array, "b h8 w8 d"]:
        """Compute the features of the texture loss.

        Args:
            image: Images in [0, 1] of any height and width.

        Returns:
            The fourth block's activations, [b ceil(h/8) ceil(w/8) 128], not normalized.
        """
        return self.encoder(image)


def _double(x: Array, size: tuple[int, int]) -> Array:
    """Repeat every pixel twice along both axes, then cut to `size`."""
    x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    return x[:, : size[0], : size[1]]
