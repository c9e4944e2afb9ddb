"""G_B on a pretrained trunk: colors of a whole image, from what it shows.

EfficientNet-Lite0 sees the NIR image; a decoder of depthwise-separable convolutions with skips
predicts RGB at half the size, which is enlarged bilinearly. HSV is that RGB converted, so hue does
not wrap at red. Structure finer than two pixels is left to the guided layer (`ops.guided`).

Reference: HAQAGen Sec. 3.3 ("compact depthwise-separable CNN (about 4M params)"), Psi; trunk and
decoder are ours.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.efficientnet import MULTIPLE, Depthwise, EfficientNetLite0
from haqagen_jax.models.generator_output import GeneratorOutput, require_multiple
from haqagen_jax.models.layers import Dense
from haqagen_jax.ops.color import rgb_to_hsv
from haqagen_jax.ops.precision import at_least_float32

WIDTHS = (128, 80, 48, 32)  # of the decoder at 1/16, 1/8, 1/4 and 1/2 of the size
_EXPANSION = 2
_FLOOR = 1e-2  # keeps the logit of a brightness of 0 or 1 finite
_SIDES = (5, 3)  # of the depthwise kernels of a stage


class GroupNorm(nn.Module):
    """Normalize each image over all positions and channels; a scale and a bias per channel.

    Equal to `nn.GroupNorm(num_groups=1, epsilon=1e-5, use_fast_variance=False)`.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Normalize.

        Args:
            x: Feature map, b h w c; statistics are taken in float32, over two passes.

        Returns:
            A map of the same shape and dtype.
        """
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        y = at_least_float32(x)
        y = y - y.mean((1, 2, 3), keepdims=True)
        y = y * jax.lax.rsqrt(jnp.square(y).mean((1, 2, 3), keepdims=True) + 1e-5)
        return (y * scale[None, None, None] + bias[None, None, None]).astype(x.dtype)


class SeparableBlock(nn.Module):
    """A depthwise and two pointwise convolutions with a residual.

    Attributes:
        side: Side of the depthwise kernels, pixels.
        dtype: Dtype of the convolutions.
    """

    side: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Apply the block.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape.
        """
        features = x.shape[-1]
        y = Depthwise(self.side, dtype=self.dtype, name="depthwise")(x)
        y = GroupNorm(name="norm")(y)
        y = nn.silu(Dense(_EXPANSION * features, dtype=self.dtype, name="expand")(y))
        return x + Dense(features, dtype=self.dtype, name="project")(y)


def whole_image_features(
    image: Float[Array, "b h w 3"], *, dtype: DTypeLike
) -> Float[Array, "b h2 w2 c"]:
    """Encode images by the trunk and decode them to half their size.

    Called inside a compact module, of which the layers become submodules.

    Args:
        image: Images in [0, 1], b h w 3; height and width are multiples of 32.
        dtype: Dtype of the convolutions.

    Returns:
        A normalized map at half the height and width.
    """
    *skips, x = EfficientNetLite0(dtype=dtype, name="trunk")(image)
    summary = Dense(x.shape[-1], dtype=dtype, name="global")(x.mean((1, 2)))
    x = x + summary[:, None, None]
    for level, width in enumerate(WIDTHS):
        skip = skips[-1 - level]
        x = jax.image.resize(x, (*skip.shape[:3], x.shape[-1]), "linear")
        x = jnp.concatenate([skip, x], axis=-1)
        x = Dense(width, dtype=dtype, name=f"reduce_{level}")(x)
        for i, side in enumerate(_SIDES):
            x = SeparableBlock(side, dtype=dtype, name=f"block_{level}_{i}")(x)
    return GroupNorm(name="norm")(x)


class ColorPrior(nn.Module):
    """G_B on a pretrained trunk. One collection, params.

    Attributes:
        dtype: Dtype of the convolutions.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, nir: Float[Array | np.ndarray, "b h w 1"], *, train: bool = False
    ) -> GeneratorOutput:
        """Color images.

        Args:
            nir: Prepared NIR in [0, 1], b h w 1; height and width are multiples of 32.
            train: Ignored; here for the interface of generators.

        Returns:
            Colors (sRGB-encoded) and the same colors as HSV, float32 in [0, 1].

        Raises:
            ValueError: The height or width is not a positive multiple of 32.
        """
        del train
        nir = jnp.asarray(nir)
        require_multiple(nir, MULTIPLE)
        b, h, w, _ = nir.shape
        image = jnp.broadcast_to(nir, (b, h, w, 3))
        x = whole_image_features(image, dtype=self.dtype)
        rgb = jax.nn.sigmoid(at_least_float32(Dense(3, dtype=self.dtype, name="head")(x)))
        rgb = jax.image.resize(rgb, (b, h, w, 3), "linear")
        return GeneratorOutput(rgb, rgb_to_hsv(rgb))


class NirFromColor(nn.Module):
    """Predictor of the NIR image that belongs to a color photograph. One collection, params.

    The network mixes the channels of each pixel and shifts their brightness (as a logit), both
    smoothly over the image, so the photograph's detail stays.

    Attributes:
        dtype: Dtype of the convolutions.

    Reference: ours; HAQAGen's "future directions" name priors from images without NIR.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, rgb: Float[Array | np.ndarray, "b h w 3"], *, train: bool = False
    ) -> GeneratorOutput:
        """Predict NIR images.

        Args:
            rgb: Photographs, sRGB-encoded in [0, 1], b h w 3; height and width are multiples of
                32.
            train: Ignored; here for the interface of generators.

        Returns:
            The NIR image as three equal channels, and the same as HSV, float32 in (0, 1).

        Raises:
            ValueError: The height or width is not a positive multiple of 32.
        """
        del train
        rgb = jnp.asarray(rgb)
        require_multiple(rgb, MULTIPLE)
        x = whole_image_features(rgb, dtype=self.dtype)
        x = at_least_float32(Dense(4, dtype=self.dtype, name="head")(x))
        x = jax.image.resize(x, (*rgb.shape[:3], 4), "linear")
        mixed = (jax.nn.softmax(x[..., :3]) * rgb).sum(-1, keepdims=True)
        logit = jnp.log(mixed + _FLOOR) - jnp.log1p(_FLOOR - mixed)
        nir = jnp.repeat(jax.nn.sigmoid(logit + x[..., 3:]), 3, axis=-1)
        return GeneratorOutput(nir, rgb_to_hsv(nir))
