"""The generator: G_B predicts HSV from the image, G_A colors the image under that prediction.

Reference: HAQAGen Sec. 3.1.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax import paper
from haqagen_jax.models.color_prior import ColorPrior
from haqagen_jax.models.generator_output import MULTIPLE, GeneratorOutput, require_multiple
from haqagen_jax.models.hsv_branch import HsvBranch
from haqagen_jax.models.rgb_branch import RgbBranch, edges


class Generator(nn.Module):
    """G_A and G_B. Collections: params, batch_stats, spectral."""

    width: int
    d_state: int
    expand: int
    spade_hidden: int
    hsv_width: int
    hsv_spade: bool = True
    hsv_encoder: str = "unet"
    even_upsampling: bool = False
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, nir: Float[Array | np.ndarray, "b h w 1"], *, train: bool = False
    ) -> GeneratorOutput:
        """Colors images.

        Args:
            nir: prepared NIR (`haqagen_jax.nir.preparation.prepare_nir`) in [0, 1]; height and
                width are multiples of 256.
            train: update batch statistics and spectral norms; the collections "batch_stats" and
                "spectral" must then be mutable.

        Returns:
            The color image (sRGB-encoded) and its HSV prior.

        Raises:
            ValueError: a height or width that is not a positive multiple of 256.
        """
        nir = jnp.asarray(nir)
        require_multiple(nir, MULTIPLE)
        if self.hsv_encoder == "efficientnet_lite0":
            hsv = ColorPrior(dtype=self.dtype, name="hsv_branch")(nir).hsv
        else:
            options: Any = {"remat": self.remat, "dtype": self.dtype, "name": "hsv_branch"}
            hsv = HsvBranch(self.hsv_width, **options)(nir)
        # Of a constant, SPADE blocks make a learned scale and shift per channel; so what a
        # comparison without the prediction lacks is the prediction alone.
        condition = hsv if self.hsv_spade else jnp.zeros_like(hsv)
        rgb = RgbBranch(
            self.width,
            self.d_state,
            self.expand,
            self.spade_hidden,
            self.even_upsampling,
            remat=self.remat,
            dtype=self.dtype,
            name="rgb_branch",
        )(
            nir,
            condition,
            edges(nir),
            dict.fromkeys(range(1, paper.LEVELS + 1), condition),
            train=train,
        )
        return GeneratorOutput(rgb, hsv)
