"""Convolutions in the form that XLA runs well on every backend, CPU included.

Two kinds are pathologically slow on XLA's CPU backend when written the usual way: depthwise
convolutions (26 times slower than shifted multiply-adds) and the weight gradient of a dilated
transposed convolution (about 1 GFLOP/s). Both forms below are exact rewritings.

Channels last, kernels h w in out; float32 or lower, the dtype is kept.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def depthwise_conv3x3(
    x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c"]
) -> Float[Array, "b h w c"]:
    """Convolves every channel with its own 3x3 kernel, zeros outside the map.

    Args:
        x: a map.
        kernel: one 3x3 kernel a channel.

    Returns:
        A map of the same size.
    """
    return _depthwise(x, kernel)


def _shifted(x: Array) -> list[list[Array]]:
    """The map seen through each of the nine taps."""
    _, h, w, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [[padded[:, i : i + h, j : j + w] for j in range(3)] for i in range(3)]


@jax.custom_vjp
def _depthwise(x: Array, kernel: Array) -> Array:
    views = _shifted(x)
    taps = [views[i][j] * kernel[i, j][None, None, None] for i in range(3) for j in range(3)]
    return sum(taps[1:], taps[0])


def _depthwise_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _depthwise(x, kernel), (x, kernel)


def _depthwise_bwd(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """Keeps the input, not its nine views."""
    x, kernel = residuals
    dx = _depthwise(dy, kernel[::-1, ::-1])
    dkernel = lax.platform_dependent(x, dy, cpu=_kernel_gradient_by_row, default=_kernel_gradient)
    return dx, dkernel


def _kernel_gradient(x: Array, dy: Array) -> Array:
    return jnp.stack([jnp.stack([(view * dy).sum((0, 1, 2)) for view in r]) for r in _shifted(x)])


def _kernel_gradient_by_row(x: Array, dy: Array) -> Array:
    """One row of pixels at a time: what a CPU's cache holds, and half the time."""
    _, h, w, c = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def add_row(total: Array, row: Array) -> tuple[Array, None]:
        line = lax.dynamic_index_in_dim(dy, row, axis=1, keepdims=False)
        near = lax.dynamic_slice_in_dim(padded, row, 3, axis=1)
        taps = [(near[:, i, j : j + w] * line).sum((0, 1)) for i in range(3) for j in range(3)]
        return total + at_least_float32(jnp.stack(taps)), None

    # A running sum over many rows does not fit in a low precision.
    zero = at_least_float32(jnp.zeros((9, c), dy.dtype))
    total, _ = lax.scan(add_row, zero, jnp.arange(h))
    return total.reshape(3, 3, c).astype(dy.dtype)


_depthwise.defvjp(_depthwise_fwd, _depthwise_bwd)


def conv_transpose4x4(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b H W o"]:
    """Transposed convolution, 4x4, stride 2, padding 1: doubles height and width.

    Each output sees a 2x2 neighbourhood of the input through one of four 2x2 kernels, by the
    parity of its row and column. One 2x2 convolution with four times the channels computes all
    four; the outputs are then interleaved.

    Args:
        x: a map.
        kernel: tap (p, q) adds x[i, j] kernel[p, q] to the output at (2 i + p - 1, 2 j + q - 1).

    Returns:
        The map of twice the size.

    Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?" (2016).
    """
    b, h, w, _ = x.shape
    parts = _conv2x2(x, _by_parity(kernel)).reshape(b, h + 1, w + 1, 2, 2, -1)
    rows = [
        jnp.stack([parts[:, r : r + h, c : c + w, r, c] for c in (0, 1)], axis=3) for r in (0, 1)
    ]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, -1)


def _by_parity(kernel: Array) -> Array:
    """[4 4 i o] -> [2 2 i (4 o)]: output row 2 i + r takes x[i - 1 + r + p] through tap 3 - r - 2 p
    (from 2 (i - 1 + r + p) + tap - 1 = 2 i + r), and columns alike."""
    per_parity = [kernel[3 - r :: -2, 3 - c :: -2][:2, :2] for r in (0, 1) for c in (0, 1)]
    return jnp.concatenate(per_parity, axis=-1)


@jax.custom_vjp
def _conv2x2(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)


def _conv2x2_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _conv2x2(x, kernel), (x, kernel)


def _conv2x2_bwd(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """The weight gradient as four matrix products over all pixels."""
    x, kernel = residuals
    _, h, w, i = x.shape
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)
    dx = lax.conv_general_dilated(dy, flipped, (1, 1), "VALID", dimension_numbers=_LAYOUT)
    pixels = x.reshape(-1, i)
    dkernel = [
        [
            pixels.T @ dy[:, 1 - p : 1 - p + h, 1 - q : 1 - q + w].reshape(-1, dy.shape[-1])
            for q in (0, 1)
        ]
        for p in (0, 1)
    ]
    return dx, jnp.stack([jnp.stack(row) for row in dkernel])


_conv2x2.defvjp(_conv2x2_fwd, _conv2x2_bwd)
