"""The published ColorMamba generator, the origin of the backbone; exact in evaluation mode.

G_A is `RgbBranch` with other conditioning maps; the HSV network is `HsvUnet`. Peculiarities of the
published code are kept and marked "published".

Reference: Zhai et al., "ColorMamba: Towards High-quality NIR-to-RGB Spectral Translation with
Mamba" (2024), and its published code.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.generator_output import MULTIPLE, GeneratorOutput, require_multiple
from haqagen_jax.models.hsv_unet import HsvUnet
from haqagen_jax.models.rgb_branch import RgbBranch, between_extremes

# Published: the three most reduced stages and the last one have no SPADE block.
CONDITIONED = (2, 3, 4, 5)


def line_edges(nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """Compute the edges that guide the published fusion.

    Published: a two-dimensional Laplacian is meant, of a batch that OpenCV takes for one image of
    `b` rows, `h` columns and `w` channels. For one image that is a second difference down the
    columns. In a batch the images would mix; here each is treated as if it were alone.

    Args:
        nir: NIR in [0, 1], b h w 1; truncated to 8 bits, borders reflected.

    Returns:
        Edges in [0, 1], b h w 1, each image scaled by its own extremes.
    """
    levels = jnp.floor(nir * 255)
    x = jnp.pad(levels, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="reflect")
    return between_extremes(x[:, :-2] + x[:, 2:] - 2 * levels)


class ColorMamba(nn.Module):
    """ColorMamba's generator: netG_A and netG_C. Collections: params, batch_stats, spectral.

    Attributes:
        width: Channels of netG_A's first level.
        d_state: States per channel of the selective scans.
        expand: Expansion of the channels in the selective scans.
        spade_hidden: Hidden channels of the SPADE norms.
        hsv_width: Channels of netG_C's first level.
        even_upsampling: Project kernels by `haqagen_jax.models.layers.even_phases`.
        remat: Compute the activations inside blocks again in the backward pass.
        dtype: Dtype of convolutions and projections.
    """

    width: int
    d_state: int
    expand: int
    spade_hidden: int
    hsv_width: int
    even_upsampling: bool = False
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        nir: Float[Array | np.ndarray, "b h w c"],
        nir_hsv: Float[Array | np.ndarray, "b h w 3"] | None = None,
        *,
        train: bool = False,
    ) -> GeneratorOutput:
        """Color images.

        Args:
            nir: NIR in [0, 1], b h w 1 or 2; height and width are multiples of 256.
            nir_hsv: HSV in [0, 1] of the NIR image taken for gray, b h w 3: no hue, no saturation,
                and the value. If None, the last channel of `nir` is the value.
            train: Update batch statistics and spectral norms; the collections "batch_stats" and
                "spectral" must then be mutable.

        Returns:
            The color images (sRGB-encoded), and HSV in (-1, 1); the published network returns HSV
            first.

        Raises:
            ValueError: The height or width is not a positive multiple of 256.
        """
        nir = jnp.asarray(nir)
        require_multiple(nir, MULTIPLE)
        if nir_hsv is None:
            value = nir[..., -1:]
            nir_hsv = jnp.concatenate([jnp.zeros_like(value), jnp.zeros_like(value), value], -1)
        nir = nir[..., :1]
        hsv, features = HsvUnet(
            self.hsv_width,
            self.d_state,
            self.expand,
            remat=self.remat,
            dtype=self.dtype,
            name="hsv_branch",
        )(nir, jnp.asarray(nir_hsv))
        rgb = RgbBranch(
            self.width,
            self.d_state,
            self.expand,
            self.spade_hidden,
            self.even_upsampling,
            window_bias=True,
            remat=self.remat,
            dtype=self.dtype,
            name="rgb_branch",
        )(
            nir,
            hsv,
            line_edges(nir),
            # The features of the U-Net that have the size of the stage.
            {level: features[level - 1] for level in CONDITIONED},
            train=train,
        )
        return GeneratorOutput(rgb, hsv)
