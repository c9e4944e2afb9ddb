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
    """HAQAGen's generator: G_A and G_B. Collections: params, batch_stats, spectral.

    Attributes:
        width: Channels of G_A's first level.
        d_state: States per channel of the selective scans.
        expand: Expansion of the channels in the selective scans.
        spade_hidden: Hidden channels of the SPADE norms.
        hsv_width: Channels of G_B at full resolution.
        hsv_spade: Condition G_A on the HSV prediction; False for an ablation without it.
        hsv_encoder: "unet", or "efficientnet_lite0" for a G_B on a pretrained trunk.
        even_upsampling: Project kernels by `haqagen_jax.models.layers.even_phases`.
        remat: Compute the activations inside blocks again in the backward pass.
        dtype: Dtype of convolutions and projections.
    """

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
        """Color images.

        Args:
            nir: Prepared NIR (`haqagen_jax.nir.preparation.prepare_nir`) in [0, 1]; height and
                width are multiples of 256.
            train: Update batch statistics and spectral norms; the collections "batch_stats" and
                "spectral" must then be mutable.

        Returns:
            The color images (sRGB-encoded) and their HSV priors.

        Raises:
            ValueError: The height or width is not a positive multiple of 256.
        """
        nir = jnp.asarray(nir)
        require_multiple(nir, MULTIPLE)
        if self.hsv_encoder == "efficientnet_lite0":
            hsv = ColorPrior(dtype=self.dtype, name="hsv_branch")(nir).hsv
        else:
            options: Any = {"remat": self.remat, "dtype": self.dtype, "name": "hsv_branch"}
            hsv = HsvBranch(self.hsv_width, **options)(nir)
        # The ablation conditions on a constant instead of removing the SPADE blocks, which then
        # learn a scale and shift per channel: so it lacks the prediction alone.
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
