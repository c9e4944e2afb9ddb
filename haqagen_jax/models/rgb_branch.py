"""G_A: the Mamba encoder-decoder that predicts the color image, ColorMamba's and ours.

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
from haqagen_jax.models.layers import Conv3x3, Conv4x4Down, call, leaky_relu
from haqagen_jax.models.mamba import ScanGroup
from haqagen_jax.models.spade import DecoderStage, SpadeResnetBlock
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.precision import at_least_float32
from haqagen_jax.ops.resample import resize_bilinear


def edges(nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """The Laplacian of each image, scaled by its own extremes.

    Args:
        nir: images in [0, 1]; borders are reflected.

    Returns:
        4-neighbor Laplacian in [0, 1]; 0 for a constant image.
    """
    x = jnp.pad(nir, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    across = x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    down = x[:, :-2, 1:-1] + x[:, 2:, 1:-1]
    return between_extremes(across + down - 4 * nir)


def between_extremes(x: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """Scales each map to [0, 1] by its own extremes; a constant one becomes 0."""
    low = x.min((1, 2), keepdims=True)
    span = x.max((1, 2), keepdims=True) - low
    return (x - low) / jnp.maximum(span, 1e-6)


class RgbBranch(nn.Module):
    """The colour branch."""

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
        """Colors an image.

        Args:
            nir: in [0, 1].
            hsv: the HSV prediction for the same image; constant to do without.
            outlines: edges of the image, in [0, 1], which guide the fusion.
            maps: what modulates a decoder stage, by its level; the others are not modulated.
            train: whether batch statistics and spectral norms are updated.

        Returns:
            sRGB-encoded color, float32.
        """
        *skips, bottom = self._encode(nir)
        fine, coarser = self._decode(skips, bottom, maps, train=train)
        _, h, w, _ = nir.shape
        # Published: corners stay where they are when maps are enlarged.
        merged = [skips[0], *(resize_bilinear(y, height=h // 2, width=w // 2) for y in coarser)]
        features = self._stage(
            self.width, 1, jnp.concatenate([*merged, fine], -1), maps, train=train
        )
        guided = SpadeResnetBlock(3, self.spade_hidden, dtype=self.dtype, name="fusion")
        picture = call(guided, hsv, outlines, remat=self.remat, train=train)
        fusion = CrissCrossFusion(dtype=self.dtype, name="cross_block")
        fused = call(fusion, features, picture, remat=self.remat, train=train)
        out = Conv3x3(3, dtype=self.dtype, name="fin_out")(fused)
        return jax.nn.sigmoid(at_least_float32(out))

    def _features(self, level: int) -> int:
        """64-128-256-512-512-... for the paper's width."""
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
        return call(stage, x, maps.get(level), remat=self.remat, train=train)

    def _encode(self, x: Array) -> list[Array]:
        """x1 to x7, and the 1/256 bottom."""
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
                x = call(group, x, remat=self.remat)
            if 1 < level < paper.LEVELS:
                x = instance_norm(x)
            levels.append(x)
        return levels

    def _decode(
        self, skips: list[Array], y: Array, maps: Mapping[int, Array], *, train: bool
    ) -> tuple[Array, list[Array]]:
        """The stages from 1/256 to 1/2: the finest map, and the two that also reach the end."""
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
