"""Agent attention: a few pooled tokens gather from all pixels, and all pixels read from them.

Cost is linear in the number of pixels. The published code has positional biases for a fixed
window; with one window, as the backbone uses it, those on the gathering side are constant along
their softmax and do nothing, and those on the reading side reduce to one number per head and
agent: `agent_bias`. `WindowBias` has them all, for networks whose published weights are kept.

Reference: Han et al., "Agent Attention: On the Integration of Softmax and Linear Attention"
(2023); its use here is ColorMamba's.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import Dense, DepthwiseConv3x3, LayerNorm
from haqagen_jax.ops.precision import at_least_float32
from haqagen_jax.ops.resample import adaptive_mean


class WindowBias(nn.Module):
    """The published positional biases, for one window; most of them are never read.

    Attributes:
        heads: Number of attention heads.
        agents: Number of pooled tokens.
    """

    heads: int
    agents: int

    @nn.compact
    def __call__(self) -> Float[Array, "heads agents"]:
        """Reduce the biases of the reading side to one number per head and agent.

        Returns:
            The biases, [heads, agents].
        """

        def bias(name: str, *shape: int) -> Array:
            return self.param(name, nn.initializers.truncated_normal(0.02), shape)

        heads, agents = self.heads, self.agents
        for name, shape in (  # the gathering side: constant along its softmax
            ("an_bias", (heads, agents, 7, 7)),
            ("ah_bias", (1, heads, agents, 1, 1)),
            ("aw_bias", (1, heads, agents, 1, 1)),
        ):
            bias(name, *shape)
        # The published code resizes the grid bilinearly to one sample, which is its center.
        grid = bias("na_bias", heads, agents, 7, 7)[:, :, 3, 3]
        rows, columns = (bias(name, 1, heads, 1, 1, agents) for name in ("ha_bias", "wa_bias"))
        return grid + (rows + columns)[0, :, 0, 0]


class AgentAttention(nn.Module):
    """Multi-head attention of all pixels through `agents` pooled tokens.

    Attributes:
        heads: Number of attention heads.
        agents: Number of pooled tokens, a square number.
        window_bias: Hold the biases as published; see `WindowBias`.
        dtype: Dtype of projections and convolutions.
    """

    heads: int
    agents: int
    window_bias: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Attend from all pixels to all pixels.

        Args:
            x: Feature map, b h w c; c is a multiple of `heads`.

        Returns:
            A map of the same shape.
        """
        b, h, w, c = x.shape
        side = math.isqrt(self.agents)
        q = Dense(c, use_bias=False, dtype=self.dtype, name="q")(x)
        k, v = jnp.split(Dense(2 * c, use_bias=False, dtype=self.dtype, name="kv")(x), 2, axis=-1)
        agents = adaptive_mean(q, height=side, width=side)
        if self.window_bias:
            bias = WindowBias(self.heads, self.agents, name="window")()
        else:
            start = nn.initializers.truncated_normal(0.02)
            bias = self.param("agent_bias", start, (self.heads, self.agents))

        def split(tokens: Array) -> Array:
            return tokens.reshape(b, -1, self.heads, c // self.heads).swapaxes(1, 2)

        agents, v_heads = split(agents) * (c // self.heads) ** -0.5, split(v)
        gather = at_least_float32(jnp.einsum("bhac,bhnc->bhan", agents, split(k)))
        gathered = jnp.einsum("bhan,bhnc->bhac", jax.nn.softmax(gather).astype(v.dtype), v_heads)
        read = at_least_float32(jnp.einsum("bhac,bhnc->bhan", agents, split(q)))
        read = jax.nn.softmax(read + bias[None, ..., None], axis=2).astype(v.dtype)
        out = jnp.einsum("bhan,bhac->bhnc", read, gathered).swapaxes(1, 2).reshape(b, h, w, c)
        out = out + DepthwiseConv3x3(dtype=self.dtype, name="dwc")(v)
        return Dense(c, dtype=self.dtype, name="proj")(out)


class AgentBlock(nn.Module):
    """Agent attention and an MLP, each with a norm before and a residual.

    Attributes:
        heads: Number of attention heads.
        agents: Number of pooled tokens, a square number.
        mlp_ratio: Hidden channels of the MLP over those of the map.
        window_bias: Hold the biases as published; see `WindowBias`.
        dtype: Dtype of projections and convolutions.
    """

    heads: int
    agents: int
    mlp_ratio: int = 4
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
        attention = AgentAttention(
            self.heads, self.agents, self.window_bias, dtype=self.dtype, name="attn"
        )
        x = x + attention(LayerNorm(name="norm1")(x))
        y = LayerNorm(name="norm2")(x)
        y = jax.nn.gelu(
            Dense(self.mlp_ratio * c, dtype=self.dtype, name="fc1")(y), approximate=False
        )
        return x + Dense(c, dtype=self.dtype, name="fc2")(y)
