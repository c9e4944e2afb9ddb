"""Selective-scan blocks on feature maps, and the group that the backbone's encoder is made of.

The state and everything inside the scan are float32; projections compute in `dtype`.

Reference: Gu and Dao, "Mamba" (2023); Liu et al., "VMamba" (2024); Zhai et al., "ColorMamba"
(2024), whose group this is; HAQAGen Sec. 3.1.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.agent_attention import AgentBlock
from haqagen_jax.models.layers import Conv3x3, Dense, DepthwiseConv3x3, LayerNorm
from haqagen_jax.ops.cross_scan import DIRECTIONS, cross_merge, cross_scan, cross_scan_each
from haqagen_jax.ops.precision import at_least_float32
from haqagen_jax.ops.selective_scan import selective_scan

DT_MIN, DT_MAX = 1e-3, 1e-1  # initial range of the step size (Mamba, Sec. 3.6)


def _softplus(x: Array) -> Array:
    """Compute log(1 + exp x) without overflow, cheaper on a CPU than jax.nn.softplus."""
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _by_direction(x: Float[Array, "b l k r"], kernel: Array) -> Float[Array, "b l k d"]:
    """Multiply each direction by its own matrix, [k r d], in one product.

    The matrices are the blocks of a block-diagonal one, because a batched product would need a
    transpose that moves k to the front.
    """
    b, length, k, r = x.shape
    diagonal = np.eye(k, dtype=kernel.dtype)[:, None, :, None] * kernel[:, :, None]
    return (x.reshape(b, length, k * r) @ diagonal.reshape(k * r, -1)).reshape(b, length, k, -1)


def _dt_bias_init(key: Array, shape: tuple[int, ...]) -> Array:
    """Initialize biases whose softplus is spread log-uniformly over [DT_MIN, DT_MAX]."""
    log_dt = jax.random.uniform(key, shape, minval=math.log(DT_MIN), maxval=math.log(DT_MAX))
    dt = jnp.exp(log_dt)
    return dt + jnp.log(-jnp.expm1(-dt))


def _a_log_init(key: Array, shape: tuple[int, ...]) -> Array:
    """Initialize A_log so that state i decays at the rate i (S4D-Real)."""
    del key
    return jnp.broadcast_to(jnp.log(jnp.arange(1, shape[-1] + 1, dtype=jnp.float32)), shape)


class SelectiveScan2D(nn.Module):
    """The two-dimensional selective scan: four directional sequences of one map, summed.

    Attributes:
        d_state: States per channel.
        expand: Inner channels over those of the map.
        dtype: Dtype of projections; the scan is float32.
    """

    d_state: int
    expand: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Scan a map along four directions.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape.
        """
        _, h, w, d_model = x.shape
        d_inner = self.expand * d_model
        dt_rank = math.ceil(d_model / 16)
        k, n = DIRECTIONS, self.d_state
        x, z = jnp.split(
            Dense(2 * d_inner, use_bias=False, dtype=self.dtype, name="in_proj")(x), 2, axis=-1
        )
        x = jax.nn.silu(DepthwiseConv3x3(dtype=self.dtype, name="conv2d")(x))
        # Stacked over directions, so that one batched product serves all four.
        per_direction = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", in_axis=1, out_axis=2, batch_axis=0
        )
        x_proj = self.param("x_proj", per_direction, (k, d_inner, dt_rank + 2 * n))
        dt_proj = self.param(
            "dt_proj",
            lambda key, shape: jax.random.uniform(key, shape, minval=-1.0) * dt_rank**-0.5,
            (k, dt_rank, d_inner),
        )
        dt_bias = self.param("dt_bias", _dt_bias_init, (k, d_inner))
        A_log = self.param("A_log", _a_log_init, (k, d_inner, n))
        D = self.param("D", nn.initializers.ones, (k, d_inner))

        # Projections are computed on the map and unrolled after: their maps have fewer channels.
        low_rank = jnp.einsum("bhwd,kdr->bhwkr", x, x_proj.astype(self.dtype))
        dt, B, C = jnp.split(cross_scan_each(low_rank), [dt_rank, dt_rank + n], axis=-1)
        delta = _by_direction(dt, dt_proj.astype(self.dtype))
        delta = _softplus(at_least_float32(delta) + dt_bias[None, None])
        u = cross_scan(x)
        y = cross_merge(selective_scan(u, delta, -jnp.exp(A_log), B, C, D), height=h, width=w)
        y = LayerNorm(name="out_norm")(y).astype(self.dtype) * jax.nn.silu(z)
        return Dense(d_model, use_bias=False, dtype=self.dtype, name="out_proj")(y)


class ScanBlock(nn.Module):
    """Selective scan, then a two-convolution bottleneck and agent attention, with scaled residuals.

    Attributes:
        d_state: States per channel of the selective scan.
        expand: Expansion of the channels in the selective scan.
        heads: Number of attention heads.
        agents: Number of pooled tokens, a square number.
        window_bias: Hold the published biases; see `haqagen_jax.models.agent_attention`.
        dtype: Dtype of convolutions and projections.
    """

    d_state: int
    expand: int
    heads: int
    agents: int
    window_bias: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Apply the block.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape.
        """
        c = x.shape[-1]
        ones = nn.initializers.ones
        skip_scale = self.param("skip_scale", ones, (c,))[None, None, None]
        skip_scale2 = self.param("skip_scale2", ones, (c,))[None, None, None]
        # The published group scans with a ring of zeros around the map.
        ringed = jnp.pad(LayerNorm(name="ln_1")(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
        scan = SelectiveScan2D(self.d_state, self.expand, dtype=self.dtype, name="self_attention")
        x = x * skip_scale + scan(ringed)[:, 1:-1, 1:-1]
        y = Conv3x3(c // 3, dtype=self.dtype, name="squeeze")(LayerNorm(name="ln_2")(x))
        y = Conv3x3(c, dtype=self.dtype, name="expand_conv")(jax.nn.gelu(y, approximate=False))
        block = AgentBlock(
            self.heads,
            self.agents,
            window_bias=self.window_bias,
            dtype=self.dtype,
            name="conv_blk",
        )
        return x * skip_scale2 + block(y)


class ScanGroup(nn.Module):
    """One scan block with a residual, a norm and a 3x3 convolution.

    Attributes:
        d_state: States per channel of the selective scan.
        expand: Expansion of the channels in the selective scan.
        heads: Number of attention heads.
        agents: Number of pooled tokens, a square number.
        window_bias: Hold the published biases; see `haqagen_jax.models.agent_attention`.
        dtype: Dtype of convolutions and projections.
    """

    d_state: int
    expand: int
    heads: int
    agents: int
    window_bias: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Apply the group.

        Args:
            x: Feature map, b h w c.

        Returns:
            A map of the same shape.
        """
        block = ScanBlock(
            self.d_state,
            self.expand,
            self.heads,
            self.agents,
            self.window_bias,
            dtype=self.dtype,
            name="block",
        )
        # Published: the input is added once more, after the block's own residuals.
        y = LayerNorm(name="norm")(block(x) + x)
        return Conv3x3(x.shape[-1], dtype=self.dtype, name="conv_after_body")(y)
