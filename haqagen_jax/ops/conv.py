"""Convolutions in the form that XLA runs well on every backend, CPU included.

Some are slow on XLA's CPU backend when written the usual way: depthwise convolutions (26 times
slower than shifted multiply-adds), the weight gradient of a dilated transposed convolution (about
1 GFLOP/s), and of 3x3 convolutions the weight gradient of large maps and everything about tiny
ones. All forms below are exact rewritings.

Channels last, kernels h w in out; float32 or lower, the dtype is kept.
"""

import functools

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
    """Convolves with stride 1, zeros outside the map.

    Args:
        x: a map.
        kernel: the weights.

    Returns:
        A map of the same size.
    """
    _, h, w, i = x.shape
    if h * w <= _TINY:
        return _fetched(_ringed(x), h, w) @ kernel.reshape(9 * i, -1)
    return _conv3x3(x, kernel)


def _ringed(x: Array) -> Array:
    """The map within a ring of zeros."""
    return _padded(x, (1, 1), (1, 1))


def _padded(x: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """The map with zeros before and after its rows and columns."""
    # A row's pixels as one axis: XLA's CPU backend takes four times as long to compile the other.
    b, h, w, c = x.shape
    beside = (columns[0] * c, columns[1] * c)
    padded = jnp.pad(x.reshape(b, h, w * c), ((0, 0), rows, beside))
    return padded.reshape(b, h + sum(rows), w + sum(columns), c)


def _neighbourhoods(ringed: Array, h: int, w: int) -> Array:
    """Nine neighbours of each pixel side by side: [b h w (9 c)]."""
    return jnp.concatenate([view for row in _shifted(ringed, h, w) for view in row], -1)


def _fetched(ringed: Array, h: int, w: int) -> Array:
    """The same by one gather, not nine slices: for few pixels as fast, and compiled sooner."""
    first = np.arange(h)[:, None] * (w + 2) + np.arange(w)
    taps = np.arange(3)[:, None] * (w + 2) + np.arange(3)
    places = (first[..., None] + taps.ravel()).ravel()
    b, _, _, c = ringed.shape
    pixels = ringed.reshape(b, -1, c)
    return jnp.take(pixels, places, axis=1, mode="clip").reshape(b, h, w, 9 * c)


def _shifted(ringed: Array, h: int, w: int) -> list[list[Array]]:
    """The map seen through each of the nine taps."""
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
    """Products of the neighbourhoods of a few rows, which a CPU's cache holds."""
    b, h, w, i = x.shape
    ringed = _ringed(x)

    def add_band(total: Array, row: Array) -> tuple[Array, None]:
        near = lax.dynamic_slice_in_dim(ringed, row, _BAND + 2, axis=1)
        near = _neighbourhoods(near, _BAND, w).reshape(b, _BAND * w, -1)
        lines = lax.dynamic_slice_in_dim(dy, row, _BAND, axis=1).reshape(b, _BAND * w, -1)
        part = jnp.einsum("bnk,bno->bko", near, lines, preferred_element_type=total.dtype)
        return total + part, None

    # A sum for each picture, as these may be on several devices, and one that a low precision
    # would not hold.
    zero = at_least_float32(jnp.zeros((b, 9 * i, dy.shape[-1]), dy.dtype))
    total, _ = lax.scan(add_band, zero, jnp.arange(0, h, _BAND))
    return total.sum(0).reshape(3, 3, i, -1).astype(dy.dtype)


_conv3x3.defvjp(_conv3x3_fwd, _conv3x3_bwd)


def depthwise_conv(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c"], stride: int = 1
) -> Float[Array, "b H W c"]:
    """Convolve every channel with its own kernel, zeros outside the map.

    Args:
        x: a map.
        kernel: one k x k kernel a channel, k odd and at least 3.
        stride: 1 or 2; both sides of `x` are multiples of it.

    Returns:
        A map of h / stride x w / stride pixels. With stride 2 the zeros are those of TensorFlow's
        "SAME": one more after the map than before it.
    """
    return _depthwise(stride, x, kernel)


def _margins(k: int, stride: int) -> tuple[int, int]:
    """Zeros before and after the map along an axis."""
    before = (k - stride) // 2
    return before, k - stride - before


def _taps(padded: Array, k: int, stride: int, h: int, w: int) -> list[list[Array]]:
    """A padded map seen through each tap of a kernel, h x w pixels each."""
    b, _, _, c = padded.shape

    def view(i: int, j: int) -> Array:
        stop = i + stride * (h - 1) + 1, j + stride * (w - 1) + 1
        return lax.slice(padded, (0, i, j, 0), (b, *stop, c), (1, stride, stride, 1))

    return [[view(i, j) for j in range(k)] for i in range(k)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _depthwise(stride: int, x: Array, kernel: Array) -> Array:
    _, h, w, _ = x.shape
    k, margins = kernel.shape[0], _margins(kernel.shape[0], stride)
    views = _taps(_padded(x, margins, margins), k, stride, h // stride, w // stride)
    taps = [views[i][j] * kernel[i, j][None, None, None] for i in range(k) for j in range(k)]
    return sum(taps[1:], taps[0])


def _depthwise_fwd(stride: int, x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _depthwise(stride, x, kernel), (x, kernel)


def _depthwise_bwd(stride: int, residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """Keeps the input, not its views."""
    x, kernel = residuals
    if stride == 1:
        dx = _depthwise(1, dy, kernel[::-1, ::-1])
    else:
        dx = _depthwise_input_gradient(dy, kernel)
    forms = {
        "cpu": functools.partial(_kernel_gradient_by_row, kernel.shape[0], stride),
        "default": functools.partial(_kernel_gradient, kernel.shape[0], stride),
    }
    return dx, lax.platform_dependent(x, dy, **forms)


def _depthwise_input_gradient(dy: Array, kernel: Array) -> Array:
    """Of stride 2: each of the four phases of the map sees its own taps, and no zeros.

    Output n reads input 2 n + i - before through tap i. So input 2 m + p receives output
    m + (p + before - i) / 2 through each tap i of the parity of p + before.
    """
    b, h, w, c = dy.shape
    k = kernel.shape[0]
    before, reach = _margins(k, 2)[0], k // 2 + 1
    padded = _padded(dy, (reach, reach), (reach, reach))

    def phase(p: int, q: int) -> Array:
        total = jnp.zeros_like(dy)
        for i in range((p + before) % 2, k, 2):
            for j in range((q + before) % 2, k, 2):
                top, left = (reach + (r + before - t) // 2 for r, t in ((p, i), (q, j)))
                view = padded[:, top : top + h, left : left + w]
                total = total + view * kernel[i, j][None, None, None]
        return total

    rows = [jnp.stack([phase(p, q) for q in (0, 1)], axis=3) for p in (0, 1)]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, c)


def _kernel_gradient(k: int, stride: int, x: Array, dy: Array) -> Array:
    _, h, w, _ = dy.shape
    margins = _margins(k, stride)
    views = _taps(_padded(x, margins, margins), k, stride, h, w)
    return jnp.stack([jnp.stack([(view * dy).sum((0, 1, 2)) for view in row]) for row in views])


def _kernel_gradient_by_row(k: int, stride: int, x: Array, dy: Array) -> Array:
    """One row of pixels at a time: what a CPU's cache holds, and half the time."""
    _, h, w, c = dy.shape
    margins = _margins(k, stride)
    padded = _padded(x, margins, margins)

    def add_row(total: Array, row: Array) -> tuple[Array, None]:
        line = lax.dynamic_index_in_dim(dy, row, axis=1, keepdims=False)
        near = lax.dynamic_slice_in_dim(padded, stride * row, k, axis=1)
        taps = [
            (near[:, i, j : j + stride * (w - 1) + 1 : stride] * line).sum((0, 1))
            for i in range(k)
            for j in range(k)
        ]
        return total + at_least_float32(jnp.stack(taps)), None

    # A running sum over many rows does not fit in a low precision.
    zero = at_least_float32(jnp.zeros((k * k, c), dy.dtype))
    total, _ = lax.scan(add_row, zero, jnp.arange(h))
    return total.reshape(k, k, c).astype(dy.dtype)


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
    i, o = kernel.shape[2:]
    taps = kernel[::-1, ::-1].reshape(2, 2, 2, 2, i, o)  # p r q c i o
    return taps.transpose(0, 2, 4, 1, 3, 5).reshape(2, 2, i, 4 * o)


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
