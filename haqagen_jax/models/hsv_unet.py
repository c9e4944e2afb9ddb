"""netG_C of ColorMamba: a U-Net that predicts HSV, and whose features steer the RGB branch.

A second, equal encoder reads the image's edges alone. Height and width are multiples of 16.

Reference: Zhai et al., "ColorMamba: Towards High-quality NIR-to-RGB Spectral Translation with
Mamba" (2024), and its published code.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax import paper
from haqagen_jax.models.layers import Conv3x3, ConvTranspose2x2Up, leaky_relu, maybe_remat
from haqagen_jax.models.mamba import ScanGroup
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.precision import at_least_float32

LEVELS = 5
SCANS = (2, 3, 4)  # levels whose encoder stages hold a selective-scan group


def edges(nir: Float[Array, "b h w 1"]) -> Float[Array, "b h w 1"]:
    """Compute the 8-neighbor Laplacian of images, with zeros outside.

    Args:
        nir: NIR in [0, 1], b h w 1.

    Returns:
        8 times each pixel minus its neighbors, in [-8, 8], b h w 1.
    """
    _, h, w, _ = nir.shape
    x = jnp.pad(nir, ((0, 0), (1, 1), (1, 1), (0, 0)))
    block = [x[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]
    return 9 * nir - sum(block[1:], block[0])


class ConvPair(nn.Module):
    """Twice: a convolution, instance norm, LeakyReLU; a scan group may follow the second one.

    Attributes:
        features: Number of output channels.
        d_state: States per channel of the selective scan.
        expand: Expansion of the channels in the selective scan.
        scan: Add the scan group.
        dtype: Dtype of convolutions and projections.
    """

    features: int
    d_state: int
    expand: int
    scan: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> Float[Array, "b h w o"]:
        """Compute features.

        Args:
            x: Feature map, b h w i.

        Returns:
            A map of the same height and width, b h w o.
        """
        # The norm removes the effect of these biases; they are here for the published weights.
        x = Conv3x3(self.features, dtype=self.dtype, name="conv_0")(x)
        x = Conv3x3(self.features, dtype=self.dtype, name="conv_1")(leaky_relu(instance_norm(x)))
        if self.scan:
            x = ScanGroup(
                self.d_state,
                self.expand,
                paper.ATTENTION_HEADS,
                paper.AGENT_TOKENS,
                window_bias=True,
                dtype=self.dtype,
                name="group",
            )(x)
        return leaky_relu(instance_norm(x))


class HsvUnet(nn.Module):
    """netG_C of ColorMamba, the HSV network. One collection, params.

    Attributes:
        width: Channels of the first level; each halving doubles them.
        d_state: States per channel of the selective scans.
        expand: Expansion of the channels in the selective scans.
        remat: Compute the activations inside blocks again in the backward pass.
        dtype: Dtype of convolutions and projections.
    """

    width: int
    d_state: int
    expand: int
    remat: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, nir: Float[Array, "b h w 1"], nir_hsv: Float[Array, "b h w 3"]
    ) -> tuple[Float[Array, "b h w 3"], list[Array]]:
        """Predict HSV.

        Args:
            nir: NIR in [0, 1], b h w 1.
            nir_hsv: HSV in [0, 1] of the NIR image taken for gray, b h w 3.

        Returns:
            Hue, saturation and value in (-1, 1), as the published network ends in tanh, float32;
            and the features of the encoder's levels 1 to 5, at 1 to 1/16 of the size.
        """
        # Published: five channels, and the edges once more through an encoder of their own.
        outlines = edges(nir)
        features = self._encode("encoder", jnp.concatenate([nir, outlines, nir_hsv], -1))
        of_edges = self._encode("edge_encoder", outlines)
        x = jnp.concatenate([features[-1], of_edges[-1]], -1)
        for level in range(LEVELS - 1, 0, -1):
            width = 2 * self._features(level)
            x = ConvTranspose2x2Up(width, dtype=self.dtype, name=f"up_{level}")(x)
            x = leaky_relu(instance_norm(x))
            x = jnp.concatenate([x, features[level - 1], of_edges[level - 1]], -1)
            x = self._pair(f"decoder_{level}", width, x)
        return jnp.tanh(at_least_float32(Conv3x3(3, dtype=self.dtype, name="head")(x))), features

    def _features(self, level: int) -> int:
        return self.width * 2 ** (level - 1)

    def _pair(self, name: str, features: int, x: Array, *, scan: bool = False) -> Array:
        pair = ConvPair(features, self.d_state, self.expand, scan=scan, dtype=self.dtype, name=name)
        return maybe_remat(pair, x, remat=self.remat)

    def _encode(self, name: str, x: Array) -> list[Array]:
        levels = []
        for level in range(1, LEVELS + 1):
            if level > 1:
                x = nn.max_pool(x, (2, 2), (2, 2))
            scan = level in SCANS
            x = self._pair(f"{name}_{level}", self._features(level), x, scan=scan)
            levels.append(x)
        return levels
