"""The published ColorMamba generator, exact in evaluation mode: the backbone's origin.

G_A is ours with other maps; the HSV network is `HsvUnet`. What is peculiar about the published code
is kept and marked "published".

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

# Published: the three coarsest stages and the last one have no SPADE block.
STEERED = (2, 3, 4, 5)


def line_edges(nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """The edges that the published fusion sees.

    Published: a two-dimensional Laplacian is meant, of a batch that OpenCV takes for one image of
    `b` rows, `h` columns and `w` channels. For one image that is a second difference down the
    columns; its neighbors in a batch, which would mix with it there, are kept out here.

    Args:
        nir: in [0, 1]; cut to 8 bits, borders reflected.

    Returns:
        In [0, 1], each image by its own extremes.
    """
    levels = jnp.floor(nir * 255)
    x = jnp.pad(levels, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="reflect")
    return between_extremes(x[:, :-2] + x[:, 2:] - 2 * levels)


class ColorMamba(nn.Module):
    """netG_A and netG_C. Collections: params, batch_stats, spectral."""

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
        """Colors images.

        Args:
            nir: NIR in [0, 1]; height and width are multiples of 256.
            nir_hsv: HSV of the NIR image taken for gray, in [0, 1]: no hue, no saturation, and
                the value. None: the last channel of `nir`, which may be a second one, is the value.
            train: update batch statistics and spectral norms; the collections "batch_stats" and
                "spectral" must then be mutable.

        Returns:
            The color image (sRGB-encoded), and HSV in (-1, 1): in our order, which is the other
            way round than published.

        Raises:
            ValueError: a height or width that is not a positive multiple of 256.
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
            # Features of the U-Net at the stage's own size.
            {level: features[level - 1] for level in STEERED},
            train=train,
        )
        return GeneratorOutput(rgb, hsv)
