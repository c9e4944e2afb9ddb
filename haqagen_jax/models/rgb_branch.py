"""G_A: the Mamba encoder-decoder that predicts the color image, in HAQAGen and ColorMamba.

Eight stride-2 levels with selective-scan groups in the first three, skip connections and
multi-scale connections; decoder stages are modulated by maps of the other branch (all by its HSV
prediction in HAQAGen, four by its features in ColorMamba); criss-cross attention fuses the result
with an edge-guided version of that prediction.

Input in [0, 1]; height and width are multiples of 256. Output sRGB-encoded, in (0, 1).

Reference: HAQAGen Sec. 3.1 and Eq. (1); Zhai et al., "ColorMamba" (2024).
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax import paper
from haqagen_jax.models.criss_cross import CrissCrossFusion
from haqagen_jax.models.layers import Conv3x3, Conv4x4Down, leaky_relu, maybe_remat
from haqagen_jax.models.mamba import ScanGroup
from haqagen_jax.models.spade import DecoderStage, SpadeResnetBlock
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.precision import at_least_float32
from haqagen_jax.ops.resample import resize_bilinear


def edges(nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """Compute the Laplacian of each image, scaled by its own extremes.

    Args:
        nir: Images in [0, 1], b h w 1; borders are reflected.

    Returns:
        4-neighbor Laplacian in [0, 1], b h w 1; 0 for a constant image.
    """
    x = jnp.pad(nir, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    across = x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    down = x[:, :-2, 1:-1] + x[:, 2:, 1:-1]
    return between_extremes(across + down - 4 * nir)


def between_extremes(x: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """Scale each map to [0, 1] by its own extremes.

    Args:
        x: Maps of any range, b h w 1.

    Returns:
        The scaled maps, b h w 1; a constant map becomes 0.
    """
    low = x.min((1, 2), keepdims=True)
    span = x.max((1, 2), keepdims=True) - low
    return (x - low) / jnp.maximum(span, 1e-6)


class RgbBranch(nn.Module):
    """G_A, the RGB branch. Collections: params, batch_stats, spectral.

    Attributes:
        width: Channels of the first level.
        d_state: States per channel of the selective scans.
        expand: Expansion of the channels in the selective scans.
        spade_hidden: Hidden channels of the SPADE norms.
        even_upsampling: Project kernels by `haqagen_jax.models.layers.even_phases`.
        window_bias: Hold the published biases; see `haqagen_jax.models.agent_attention`.
        remat: Compute the activations inside blocks again in the backward pass.
        dtype: Dtype of convolutions and projections.
    """

    width: int
    d_state: int
    expand: int
    spade_hidden: int
    even_upsampling: bool = False
    window_bias: bool = False
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        nir: Float[Array, "b h w 1"],
        hsv: Float[Array, "b h w 3"],
        outlines: Float[Array, "b h w 1"],
        maps: Mapping[int, Array],
        *,
        train: bool,
    ) -> Float[Array, "b h w 3"]:
        """Color images.

        Args:
            nir: NIR in [0, 1], b h w 1.
            hsv: The HSV prediction for the same images, b h w 3; a constant leaves it out.
            outlines: Edges of the images in [0, 1], b h w 1, which guide the fusion.
            maps: Conditioning maps of decoder stages, by level; other stages are not modulated.
            train: Whether batch statistics and spectral norms are updated.

        Returns:
            sRGB-encoded color in (0, 1), b h w 3, float32.
        """
        *skips, bottom = self._encode(nir)
        finest, reduced = self._decode(skips, bottom, maps, train=train)
        _, h, w, _ = nir.shape
        # Published: corners stay where they are when maps are enlarged.
        merged = [skips[0], *(resize_bilinear(y, height=h // 2, width=w // 2) for y in reduced)]
        features = self._stage(
            self.width, 1, jnp.concatenate([*merged, finest], -1), maps, train=train
        )
        guided = SpadeResnetBlock(3, self.spade_hidden, dtype=self.dtype, name="fusion")
        image = maybe_remat(guided, hsv, outlines, remat=self.remat, train=train)
        fusion = CrissCrossFusion(dtype=self.dtype, name="cross_block")
        fused = maybe_remat(fusion, features, image, remat=self.remat, train=train)
        out = Conv3x3(3, dtype=self.dtype, name="fin_out")(fused)
        return jax.nn.sigmoid(at_least_float32(out))

    def _features(self, level: int) -> int:
        """Return the channels of a level: 64-128-256-512-512-... for the paper's width."""
        return self.width * min(2 ** (level - 1), 8)

    def _stage(
        self, features: int, level: int, x: Array, maps: Mapping[int, Array], *, train: bool
    ) -> Array:
        stage = DecoderStage(
            features,
            self.spade_hidden,
            self.even_upsampling,
            dtype=self.dtype,
            name=f"decoder_{level}",
        )
        return maybe_remat(stage, x, maps.get(level), remat=self.remat, train=train)

    def _encode(self, x: Array) -> list[Array]:
        """Return the skips of levels 1 to 7, and the bottom at 1/256 of the size."""
        levels = []
        for level in range(1, paper.LEVELS + 1):
            if level > 1:
                x = leaky_relu(x)
            x = Conv4x4Down(self._features(level), dtype=self.dtype, name=f"down_{level}")(x)
            if level <= paper.SCAN_LEVELS:
                group = ScanGroup(
                    self.d_state,
                    self.expand,
                    paper.ATTENTION_HEADS,
                    paper.AGENT_TOKENS,
                    self.window_bias,
                    dtype=self.dtype,
                    name=f"group_{level}",
                )
                x = maybe_remat(group, x, remat=self.remat)
            if 1 < level < paper.LEVELS:
                x = instance_norm(x)
            levels.append(x)
        return levels

    def _decode(
        self, skips: list[Array], y: Array, maps: Mapping[int, Array], *, train: bool
    ) -> tuple[Array, list[Array]]:
        """Run the stages from 1/256 to 1/2: the finest map, and two for the last stage."""
        outputs = {}
        for level in range(paper.LEVELS, 1, -1):
            parts = [y]
            if level < paper.LEVELS:
                parts = [skips[level - 1], y]
            if level == 2:
                _, h, w, _ = y.shape
                parts.insert(1, resize_bilinear(outputs[5], height=h, width=w))
            features = self._features(level - 1)
            y = self._stage(features, level, jnp.concatenate(parts, -1), maps, train=train)
            y = instance_norm(y)
            outputs[level] = y
        return y, [outputs[5], outputs[4]]
