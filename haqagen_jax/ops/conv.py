"""Convolutions in the form that XLA runs well on every backend, CPU included.

Some are slow on XLA's CPU backend when written the usual way: the weight gradient of a dilated
transposed convolution (about 1 GFLOP/s), and of 3x3 convolutions the weight gradient of large maps
and everything about tiny ones. All forms below are exact rewritings.

Channels last, kernels h w in out; float32 or lower, the dtype is kept.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_TINY = 16  # pixels up to which a 3x3 convolution is one matrix product
_LARGE = 64 * 64  # pixels from which its weight gradient is taken band by band
_BAND = 4  # rows


def conv3x3(x: Float[Array, "b h w i"], kernel: Float[Array, "3 3 i o"]) -> Float[Array, "b h w o"]:
    """Convolve a map with stride 1 and zeros outside.

    Args:
        x: Feature map, b h w i.
        kernel: Weights, 3 3 i o.

    Returns:
        A map of the same height and width, b h w o.
    """
    _, h, w, i = x.shape
    if h * w <= _TINY:
        return _gathered_neighborhoods(_ringed(x), h, w) @ kernel.reshape(9 * i, -1)
    return _conv3x3(x, kernel)


def _ringed(x: Array) -> Array:
    """Put a ring of zeros around a map."""
    return zero_padded(x, (1, 1), (1, 1))


def zero_padded(
    x: Float[Array, "b h w c"], rows: tuple[int, int], columns: tuple[int, int]
) -> Float[Array, "b H W c"]:
    """Pad a map with zeros.

    Args:
        x: Feature map, b h w c.
        rows: Rows of zeros before and after the map.
        columns: Columns of zeros before and after the map.

    Returns:
        The padded map, b H W c.
    """
    # The pixels of a row are padded as one axis with their channels, because XLA's CPU backend
    # takes four times as long to compile a padding of two axes.
    b, h, w, c = x.shape
    beside = (columns[0] * c, columns[1] * c)
    padded = jnp.pad(x.reshape(b, h, w * c), ((0, 0), rows, beside))
    return padded.reshape(b, h + sum(rows), w + sum(columns), c)


def _neighborhoods(ringed: Array, h: int, w: int) -> Array:
    """Put the nine neighbors of each pixel side by side: [b h w (9 c)]."""
    return jnp.concatenate([view for row in _shifted(ringed, h, w) for view in row], -1)


def _gathered_neighborhoods(ringed: Array, h: int, w: int) -> Array:
    """Compute `_neighborhoods` by one gather, which compiles sooner and is as fast on tiny maps."""
    first = np.arange(h)[:, None] * (w + 2) + np.arange(w)
    taps = np.arange(3)[:, None] * (w + 2) + np.arange(3)
    indices = (first[..., None] + taps.ravel()).ravel()
    b, _, _, c = ringed.shape
    pixels = ringed.reshape(b, -1, c)
    return jnp.take(pixels, indices, axis=1, mode="clip").reshape(b, h, w, 9 * c)


def _shifted(ringed: Array, h: int, w: int) -> list[list[Array]]:
    """Slice the view of a ringed map that each of the nine taps sees."""
    return [[ringed[:, i : i + h, j : j + w] for j in range(3)] for i in range(3)]


@jax.custom_vjp
def _conv3x3(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)


def _conv3x3_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _conv3x3(x, kernel), (x, kernel)


def _conv3x3_bwd(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    _, h, w, _ = x.shape
    dx = _conv3x3(dy, kernel[::-1, ::-1].swapaxes(2, 3))
    if h * w < _LARGE or h % _BAND:
        return dx, _conv3x3_kernel_gradient(x, dy)
    forms = {"cpu": _conv3x3_kernel_gradient_by_band, "default": _conv3x3_kernel_gradient}
    return dx, lax.platform_dependent(x, dy, **forms)


def _conv3x3_kernel_gradient(x: Array, dy: Array) -> Array:
    shape = jax.ShapeDtypeStruct((3, 3, x.shape[-1], dy.shape[-1]), x.dtype)

    def conv(kernel: Array) -> Array:
        return lax.conv_general_dilated(
            x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT
        )

    return jax.linear_transpose(conv, shape)(dy)[0]


def _conv3x3_kernel_gradient_by_band(x: Array, dy: Array) -> Array:
    """Accumulate the kernel's gradient over bands of rows, which fit a CPU's cache."""
    b, h, w, i = x.shape
    ringed = _ringed(x)

    def add_band(total: Array, row: Array) -> tuple[Array, None]:
        near = lax.dynamic_slice_in_dim(ringed, row, _BAND + 2, axis=1)
        near = _neighborhoods(near, _BAND, w).reshape(b, _BAND * w, -1)
        band = lax.dynamic_slice_in_dim(dy, row, _BAND, axis=1).reshape(b, _BAND * w, -1)
        part = jnp.einsum("bnk,bno->bko", near, band, preferred_element_type=total.dtype)
        return total + part, None

    # One sum per image, because the images may be on several devices, and in float32, because a
    # lower precision loses the small terms of a long sum.
    zero = at_least_float32(jnp.zeros((b, 9 * i, dy.shape[-1]), dy.dtype))
    total, _ = lax.scan(add_band, zero, jnp.arange(0, h, _BAND))
    return total.sum(0).reshape(3, 3, i, -1).astype(dy.dtype)


_conv3x3.defvjp(_conv3x3_fwd, _conv3x3_bwd)


def conv_transpose4x4(
    x: Float[Array, "b h w i"], kernel: Float[Array, "4 4 i o"]
) -> Float[Array, "b H W o"]:
    """Double the size of a map by a transposed 4x4 convolution of stride 2 and padding 1.

    Each output sees a 2x2 neighborhood of the input through one of four 2x2 kernels, by the
    parity of its row and column. One 2x2 convolution with four times the channels computes all
    four; the outputs are then interleaved.

    Args:
        x: Feature map, b h w i.
        kernel: Weights, 4 4 i o: tap (p, q) adds x[i, j] kernel[p, q] to the output at
            (2 i + p - 1, 2 j + q - 1).

    Returns:
        The map at twice the height and width, b (2 h) (2 w) o.

    Reference: Shi et al., "Is the deconvolution layer the same as a convolutional layer?" (2016).

    Examples:
        >>> conv_transpose4x4(jnp.ones((1, 3, 5, 2)), jnp.ones((4, 4, 2, 7))).shape
        (1, 6, 10, 7)
    """
    b, h, w, _ = x.shape
    parts = _conv2x2(x, _by_parity(kernel)).reshape(b, h + 1, w + 1, 2, 2, -1)
    rows = [
        jnp.stack([parts[:, r : r + h, c : c + w, r, c] for c in (0, 1)], axis=3) for r in (0, 1)
    ]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, -1)


def _by_parity(kernel: Array) -> Array:
    """Sort the taps by the parity of the output that they reach: [4 4 i o] -> [2 2 i (4 o)].

    Output row 2 i + r takes x[i - 1 + r + p] through tap 3 - r - 2 p (from
    2 (i - 1 + r + p) + tap - 1 = 2 i + r), and columns alike.
    """
    i, o = kernel.shape[2:]
    taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, i, o)  # p r q c i o
    return taps.transpose(0, 2, 4, 1, 3, 5).reshape(2, 2, i, 4 * o)


@jax.custom_vjp
def _conv2x2(x: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=_LAYOUT)


def _conv2x2_fwd(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _conv2x2(x, kernel), (x, kernel)


def _conv2x2_bwd(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """Compute the weight gradient as four matrix products over all pixels."""
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
