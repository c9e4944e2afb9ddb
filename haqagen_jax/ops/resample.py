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
    """Takes for output i the input floor(i n_in / n_out) (the first of each block).

    Args:
        x: a map.
        height: rows of the result.
        width: columns of the result.

    Returns:
        The resized map.

    Reference: the sampling of SPADE's conditioning map (Park et al., 2019, Sec. 3).
    """
    return _nearest(_nearest(x, 1, height), 2, width)


def _nearest(x: Array, axis: int, size: int) -> Array:
    # Slices and repeats have cheap gradients; that of a gather is a scatter.
    n = x.shape[axis]
    if n % size == 0:
        return lax.slice_in_dim(x, 0, n, n // size, axis)
    if size % n == 0:
        return jnp.repeat(x, size // n, axis)
    return jnp.take(x, np.arange(size) * n // size, axis)


def resize_bilinear(
    x: Float[Array, "b h w c"], *, height: int, width: int
) -> Float[Array, "b H W c"]:
    """Bilinear interpolation with aligned corners: the corner samples stay where they are.

    Args:
        x: a map.
        height: rows of the result.
        width: columns of the result.

    Returns:
        The resized map.
    """
    return _bilinear(x.shape[1:3], (height, width), x)


# Neighbors are fetched on the way forward; backward that would be a scatter, and a product with
# the weights of all samples is faster.
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
    """Where `size` interpolated samples lie among `n`."""
    return np.arange(size) * ((n - 1) / max(size - 1, 1))


def _interpolation(n: int, size: int) -> np.ndarray:
    """The weights of `n` samples in `size` interpolated ones."""
    return np.maximum(0, 1 - np.abs(_positions(n, size)[:, None] - np.arange(n)[None]))


def halve(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Means over blocks of 2 x 2.

    Args:
        x: a map of even height and width.

    Returns:
        The map at half the size.
    """
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def adaptive_mean(
    x: Float[Array, "b h w c"], *, height: int, width: int
) -> Float[Array, "b H W c"]:
    """Means over a fixed number of cells, whatever the input's size.

    Cell i covers the inputs from floor(i n / N) to ceil((i + 1) n / N), so cells overlap where N
    does not divide n.

    Args:
        x: a map.
        height: cells along the rows.
        width: cells along the columns.

    Returns:
        The cells' means.
    """
    rows = jnp.asarray(_cells(x.shape[1], height), x.dtype)
    columns = jnp.asarray(_cells(x.shape[2], width), x.dtype)
    return _apply_matrices(rows, x, columns)


def _apply_matrices(rows: Array, x: Array, columns: Array) -> Array:
    # Without it GPUs and TPUs round the factors of a product to fewer bits than float32.
    exact = lax.Precision.HIGHEST
    return jnp.einsum("Hh,bhwc,Ww->bHWc", rows, x, columns, precision=exact)


def _cells(n: int, cells: int) -> np.ndarray:
    weights = np.zeros((cells, n))
    for i in range(cells):
        start, stop = i * n // cells, -(-(i + 1) * n // cells)
        weights[i, start:stop] = 1 / (stop - start)
    return weights
