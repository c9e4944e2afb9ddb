"""Criss-cross attention: every pixel looks along its own row and column.

The two directions are computed one line at a time, each with the logarithm of its normalizer, and
joined exactly afterwards; no array of pixels x (height + width) is ever held, forward or backward.
The attention is float32 inside, whatever the inputs; convolutions compute in `dtype`.

Reference: Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation" (2019); its use
as the fusion of the two branches is ColorMamba's.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike
from jaxtyping import Float

from haqagen_jax.models.layers import Conv3x3, exact_matmul
from haqagen_jax.ops.normalize import EPSILON
from haqagen_jax.ops.precision import at_least_float32

LINES = 8  # lines attended at once: their scores fit a core's cache, and fill an accelerator
MASKED = -1e30  # exp(MASKED - anything) is exactly 0 in float32


class _ConvPair(nn.Module):
    """Convolution, ReLU, batch norm, convolution, ReLU."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        x = nn.relu(Conv3x3(self.features, dtype=self.dtype, name="conv_0")(x))
        # Published: the only batch norm of the network, and after the ReLU.
        x = nn.BatchNorm(
            use_running_average=not train,
            momentum=0.9,
            epsilon=EPSILON,
            use_fast_variance=False,
            dtype=self.dtype,
            name="norm",
        )(x)
        return nn.relu(Conv3x3(self.features, dtype=self.dtype, name="conv_1")(x))


def criss_cross(
    query: Float[Array, "b h w i"], key: Float[Array, "b h w i"], value: Float[Array, "b h w c"]
) -> Float[Array, "b h w c"]:
    """Attend from each pixel to the pixels of its row and its column, by softmax.

    The pixel itself takes part once, through its row.

    Args:
        query: Queries, b h w i.
        key: Keys, b h w i.
        value: Values, b h w c.

    Returns:
        The weighted means of `value`, b h w c, float32.

    Reference: Huang et al., CCNet (2019), Eq. (1) and (2).
    """
    rows, row_norm = _along_lines(query, key, value, skip_self=False)
    flipped = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
    columns, column_norm = (jnp.swapaxes(x, 1, 2) for x in _along_lines(*flipped, skip_self=True))
    share = jax.nn.sigmoid(row_norm - column_norm)
    return share * rows + (1 - share) * columns


def _along_lines(q: Array, k: Array, v: Array, *, skip_self: bool) -> tuple[Array, Array]:
    """Attend within each row: outputs [b h w c] and log-normalizers [b h w 1]."""
    # The loop goes over lines, not images, because the images may be on several devices.
    lines = tuple(at_least_float32(jnp.swapaxes(x, 0, 1)) for x in (q, k, v))
    attended: Any = _attend(skip_self, *lines)
    out, norm = attended
    return jnp.swapaxes(out, 0, 1), jnp.swapaxes(norm, 0, 1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(skip_self: bool, q: Array, k: Array, v: Array) -> tuple[Array, Array]:
    """Attend within every line by softmax: [h b w i] -> [h b w c], [h b w 1]."""

    def line(qkv: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        q, k, v = qkv
        scores = _scores(skip_self, q, k)
        top = scores.max(-1, keepdims=True)
        weights = jnp.exp(scores - top)
        total = weights.sum(-1, keepdims=True)
        return exact_matmul(weights, v) / total, top + jnp.log(total)

    return _map_lines(line, (q, k, v))


def _scores(skip_self: bool, q: Array, k: Array) -> Array:
    scores = exact_matmul(q, k.T)
    if skip_self:
        position = jnp.arange(q.shape[0])
        scores = jnp.where(position[:, None] == position[None], MASKED, scores)
    return scores


def _attend_fwd(skip_self: bool, q: Array, k: Array, v: Array) -> tuple[Any, Any]:
    attended: Any = _attend(skip_self, q, k, v)
    return attended, (q, k, v, *attended)


def _attend_bwd(skip_self: bool, residuals: Any, cotangents: Any) -> tuple[Array, Array, Array]:
    """Recompute the weights from the saved normalizer (Dao et al., FlashAttention, 2022)."""

    def line(parts: tuple[Array, ...]) -> tuple[Array, Array, Array]:
        q, k, v, out, norm, dout, dnorm = parts
        weights = jnp.exp(_scores(skip_self, q, k) - norm)
        shift = dnorm - (dout * out).sum(-1, keepdims=True)
        dscores = weights * (exact_matmul(dout, v.T) + shift)
        return exact_matmul(dscores, k), exact_matmul(dscores.T, q), exact_matmul(weights.T, dout)

    return _map_lines(line, (*residuals, *cotangents))


def _map_lines(line: Callable[[Any], Any], arrays: tuple[Array, ...]) -> Any:
    """Apply a function to each line of arrays [h b w c]."""
    images = arrays[0].shape[1]
    # The batch size of an exported program is symbolic: it is known when the program is called.
    lines = LINES // images if isinstance(images, int) else 1
    return lax.map(jax.vmap(line), arrays, batch_size=max(1, lines))


_attend.defvjp(_attend_fwd, _attend_bwd)


class CrissCrossFusion(nn.Module):
    """Fusion of features with an image: gamma * attention + convolutions of both.

    Queries and keys come from the features, values from the image; gamma starts at 0.

    Attributes:
        dtype: Dtype of the convolutions.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Float[Array, "b h w c"], image: Float[Array, "b h w m"], *, train: bool
    ) -> Float[Array, "b h w c"]:
        """Fuse features with an image.

        Args:
            features: The decoder's features, b h w c.
            image: The map to fuse, at the same height and width, b h w m.
            train: Normalize by statistics of the batch and update the running ones, which are used
                otherwise; "batch_stats" must then be mutable.

        Returns:
            The fused features, b h w c.
        """
        c = features.shape[-1]

        def pair(name: str, features: int, x: Array) -> Array:
            return _ConvPair(features, dtype=self.dtype, name=name)(x, train=train)

        joined = pair("skip", c, jnp.concatenate([features, image], -1))
        query = pair("query", c // 8, features)
        key = pair("key", c // 8, features)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        attended = criss_cross(query, key, pair("value", c, image))
        return gamma.astype(self.dtype) * attended.astype(self.dtype) + joined
