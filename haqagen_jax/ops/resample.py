"""Changes of resolution, each with the sampling grid of its published counterpart.

Channels last; the dtype is kept, and the weighted means are exact in it. No antialiasing.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float


def resize_nearest(
    x: Float[Array, "b h w c"], *, height: int, width: int
) -> Float[Array, "b H W c"]:
    """Resize a map to the nearest samples: output i is input floor(i n_in / n_out).

    Args:
        x: Feature map, b h w c.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        The resized map, b height width c; where it is smaller, the first sample of each block.

    Reference: the sampling of SPADE's conditioning map (Park et al., 2019, Sec. 3).

    Examples:
        >>> x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
        >>> resize_nearest(x, height=1, width=4).ravel().tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    return _nearest(_nearest(x, 1, height), 2, width)


def _nearest(x: Array, axis: int, size: int) -> Array:
    # Slices and repeats where they suffice, because the gradient of a gather is a slow scatter.
    n = x.shape[axis]
    if n % size == 0:
        return lax.slice_in_dim(x, 0, n, n // size, axis)
    if size % n == 0:
        return jnp.repeat(x, size // n, axis)
    return jnp.take(x, np.arange(size) * n // size, axis)


def resize_bilinear(
    x: Float[Array, "b h w c"], *, height: int, width: int
) -> Float[Array, "b H W c"]:
    """Resize a map by bilinear interpolation with aligned corners.

    Args:
        x: Feature map, b h w c.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        The resized map, b height width c; its corner samples are those of `x`.

    Examples:
        >>> x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
        >>> resize_bilinear(x, height=1, width=5).ravel().tolist()
        [1.0, 1.25, 1.5, 1.75, 2.0]
    """
    return _bilinear(x.shape[1:3], (height, width), x)


# The forward pass gathers neighbors. The gradient of a gather is a scatter, so the backward pass
# multiplies by the matrices of interpolation weights instead, which is faster.
@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _bilinear(old: tuple[int, int], new: tuple[int, int], x: Array) -> Array:
    for axis in (1, 2):
        position = _positions(old[axis - 1], new[axis - 1])
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, old[axis - 1] - 1)
        share = np.expand_dims(position - low, [i for i in range(4) if i != axis])
        share = jnp.asarray(share, x.dtype)
        x = (1 - share) * jnp.take(x, low, axis, mode="clip") + share * jnp.take(
            x, high, axis, mode="clip"
        )
    return x


def _bilinear_fwd(old: tuple[int, int], new: tuple[int, int], x: Array) -> tuple[Array, None]:
    return _bilinear(old, new, x), None


def _bilinear_bwd(old: tuple[int, int], new: tuple[int, int], _: None, dy: Array) -> tuple[Array]:
    rows, columns = (_interpolation(*sizes).T for sizes in zip(old, new, strict=True))
    return (_apply_matrices(jnp.asarray(rows, dy.dtype), dy, jnp.asarray(columns, dy.dtype)),)


_bilinear.defvjp(_bilinear_fwd, _bilinear_bwd)


def _positions(n: int, size: int) -> np.ndarray:
    """Return the positions of `size` interpolated samples among `n`."""
    return np.arange(size) * ((n - 1) / max(size - 1, 1))


def _interpolation(n: int, size: int) -> np.ndarray:
    """Return the weights of `n` samples in `size` interpolated ones, [size, n]."""
    return np.maximum(0, 1 - np.abs(_positions(n, size)[:, None] - np.arange(n)[None]))


def halve(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Halve the size of a map by means over blocks of 2 x 2.

    Args:
        x: Feature map of even height and width, b h w c.

    Returns:
        The map at half the height and width.

    Examples:
        >>> halve(jnp.arange(8.0).reshape(1, 2, 4, 1)).ravel().tolist()
        [2.5, 4.5]
    """
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def adaptive_mean(
    x: Float[Array, "b h w c"], *, height: int, width: int
) -> Float[Array, "b H W c"]:
    """Average a map over a fixed number of cells, whatever its size.

    Cell i covers the inputs from floor(i n / N) to ceil((i + 1) n / N), so cells overlap where N
    does not divide n.

    Args:
        x: Feature map, b h w c.
        height: Number of rows of cells.
        width: Number of columns of cells.

    Returns:
        The cells' means, b height width c.

    Examples:
        >>> adaptive_mean(jnp.arange(5.0).reshape(1, 1, 5, 1), height=1, width=2).ravel().tolist()
        [1.0, 3.0]
    """
    rows = jnp.asarray(_cells(x.shape[1], height), x.dtype)
    columns = jnp.asarray(_cells(x.shape[2], width), x.dtype)
    return _apply_matrices(rows, x, columns)


def _apply_matrices(rows: Array, x: Array, columns: Array) -> Array:
    # At the default precision GPUs and TPUs round the factors to fewer bits than float32.
    exact = lax.Precision.HIGHEST
    return jnp.einsum("Hh,bhwc,Ww->bHWc", rows, x, columns, precision=exact)


def _cells(n: int, cells: int) -> np.ndarray:
    weights = np.zeros((cells, n))
    for i in range(cells):
        start, stop = i * n // cells, -(-(i + 1) * n // cells)
        weights[i, start:stop] = 1 / (stop - start)
    return weights
