"""Depthwise convolutions as sums of shifted products.

XLA's CPU backend runs grouped convolutions some thirty times slower than this. The forms are exact
rewritings. Channels last, kernels h w c; float32 or lower, the dtype is kept.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.conv import zero_padded
from haqagen_jax.ops.precision import at_least_float32


def depthwise_conv(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c"], stride: int = 1
) -> Float[Array, "b H W c"]:
    """Convolve every channel with its own kernel, zeros outside the map.

    Args:
        x: Feature map, b h w c.
        kernel: One k x k kernel for each channel, k k c, k odd and at least 3.
        stride: 1 or 2; both sides of `x` are multiples of it.

    Returns:
        A map of h / stride x w / stride pixels. With stride 2 the zeros are those of TensorFlow's
        "SAME": one more after the map than before it.

    Examples:
        >>> depthwise_conv(jnp.ones((1, 4, 6, 2)), jnp.ones((3, 3, 2)), stride=2).shape
        (1, 2, 3, 2)
    """
    return _depthwise(stride, x, kernel)


def _margins(k: int, stride: int) -> tuple[int, int]:
    """Return the numbers of zeros before and after the map along an axis."""
    before = (k - stride) // 2
    return before, k - stride - before


def _taps(padded: Array, k: int, stride: int, h: int, w: int) -> list[list[Array]]:
    """Slice the view of a padded map that each tap of a kernel sees, h x w pixels each."""
    b, _, _, c = padded.shape

    def view(i: int, j: int) -> Array:
        stop = i + stride * (h - 1) + 1, j + stride * (w - 1) + 1
        return lax.slice(padded, (0, i, j, 0), (b, *stop, c), (1, stride, stride, 1))

    return [[view(i, j) for j in range(k)] for i in range(k)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _depthwise(stride: int, x: Array, kernel: Array) -> Array:
    _, h, w, _ = x.shape
    k, margins = kernel.shape[0], _margins(kernel.shape[0], stride)
    views = _taps(zero_padded(x, margins, margins), k, stride, h // stride, w // stride)
    taps: list[Array] = [
        views[i][j] * kernel[i, j][None, None, None] for i in range(k) for j in range(k)
    ]
    return sum(taps[1:], taps[0])


def _depthwise_fwd(stride: int, x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _depthwise(stride, x, kernel), (x, kernel)


def _depthwise_bwd(stride: int, residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    """Compute both gradients from the input alone: its views are sliced again, not kept."""
    x, kernel = residuals
    dx: Array
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
    """Compute the input's gradient for stride 2, phase by phase.

    Each of the four phases of the map sees its own taps, so no zeros are inserted between pixels.
    Output n reads input 2 n + i - before through tap i. So input 2 m + p receives output
    m + (p + before - i) / 2 through each tap i of the parity of p + before.
    """
    b, h, w, c = dy.shape
    k = kernel.shape[0]
    before, reach = _margins(k, 2)[0], k // 2 + 1
    padded = zero_padded(dy, (reach, reach), (reach, reach))

    def phase(p: int, q: int) -> Array:
        total = jnp.zeros_like(dy)
        for i in range((p + before) % 2, k, 2):
            for j in range((q + before) % 2, k, 2):
                top, left = reach + (p + before - i) // 2, reach + (q + before - j) // 2
                view = padded[:, top : top + h, left : left + w]
                total += view * kernel[i, j][None, None, None]
        return total

    rows = [jnp.stack([phase(p, q) for q in (0, 1)], axis=3) for p in (0, 1)]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, c)


def _kernel_gradient(k: int, stride: int, x: Array, dy: Array) -> Array:
    _, h, w, _ = dy.shape
    margins = _margins(k, stride)
    views = _taps(zero_padded(x, margins, margins), k, stride, h, w)
    return jnp.stack([jnp.stack([(view * dy).sum((0, 1, 2)) for view in row]) for row in views])


def _kernel_gradient_by_row(k: int, stride: int, x: Array, dy: Array) -> Array:
    """Accumulate the kernel's gradient row by row, which a CPU's cache holds: half the time."""
    _, h, w, c = dy.shape
    margins = _margins(k, stride)
    padded = zero_padded(x, margins, margins)

    def add_row(total: Array, row: Array) -> tuple[Array, None]:
        line = lax.dynamic_index_in_dim(dy, row, axis=1, keepdims=False)
        near = lax.dynamic_slice_in_dim(padded, stride * row, k, axis=1)
        taps = [
            (near[:, i, j : j + stride * (w - 1) + 1 : stride] * line).sum((0, 1))
            for i in range(k)
            for j in range(k)
        ]
        return total + at_least_float32(jnp.stack(taps)), None

    # The sum is float32, because a lower precision loses the small terms of a long sum.
    zero = at_least_float32(jnp.zeros((k * k, c), dy.dtype))
    total, _ = lax.scan(add_row, zero, jnp.arange(h))
    return total.reshape(k, k, c).astype(dy.dtype)


_depthwise.defvjp(_depthwise_fwd, _depthwise_bwd)
