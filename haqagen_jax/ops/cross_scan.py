"""The cross scan: a feature map as four directional sequences, and their sum on a map.

Directions, in this order: along rows, along columns, and the reverses of both. Any dtype, channels
last.

Reference: Liu et al., "VMamba: Visual State Space Model" (2024), Sec. 4.2; HAQAGen Sec. 3.1.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

DIRECTIONS = 4


def cross_scan(x: Float[Array, "b h w d"]) -> Float[Array, "b l k d"]:
    """Unroll a map along the four directions.

    Args:
        x: Feature map, b h w d.

    Returns:
        Four sequences of length l = h w each, b l k d with k = 4.

    Examples:
        >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
        >>> cross_scan(x)[0, :, :, 0].T.astype(int).tolist()
        [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0], [3, 1, 2, 0]]
    """
    return _unroll([x] * DIRECTIONS)


def cross_scan_each(maps: Float[Array, "b h w k d"]) -> Float[Array, "b l k d"]:
    """Unroll four maps, each along its own direction.

    Args:
        maps: One map for each direction, in the order of `cross_scan`, b h w k d with k = 4.

    Returns:
        Four sequences of length l = h w each, b l k d.
    """
    return _unroll([maps[:, :, :, k] for k in range(DIRECTIONS)])


def _unroll(maps: list[Array]) -> Array:
    b, h, w, d = maps[0].shape
    rows, reversed_rows = (x.reshape(b, h * w, d) for x in maps[::2])
    columns, reversed_columns = (jnp.swapaxes(x, 1, 2).reshape(b, h * w, d) for x in maps[1::2])
    return jnp.stack([rows, columns, reversed_rows[:, ::-1], reversed_columns[:, ::-1]], axis=2)


def cross_merge(y: Float[Array, "b l k d"], *, height: int, width: int) -> Float[Array, "b h w d"]:
    """Put the four sequences back on the map and add them up.

    Args:
        y: Four sequences in the order of `cross_scan`, b l k d with k = 4.
        height: Rows of the map.
        width: Columns of the map; height times width is the length of the sequences.

    Returns:
        The sum over directions, b h w d; `cross_merge(cross_scan(x))` is `4 x`.

    Raises:
        ValueError: The length is not height times width, or there are not four sequences.

    Examples:
        >>> x = jnp.arange(6.0).reshape(1, 2, 3, 1)
        >>> cross_merge(cross_scan(x), height=2, width=3)[0, :, :, 0].astype(int).tolist()
        [[0, 4, 8], [12, 16, 20]]
    """
    b, length, directions, d = y.shape
    if length != height * width or directions != DIRECTIONS:
        raise ValueError(
            f"y of shape {y.shape}: must be [b, {height * width}, {DIRECTIONS}, d] for a map of "
            f"{height} x {width}"
        )
    rows = y[:, :, 0] + y[:, ::-1, 2]
    columns = y[:, :, 1] + y[:, ::-1, 3]
    columns = jnp.swapaxes(columns.reshape(b, width, height, d), 1, 2)
    return rows.reshape(b, height, width, d) + columns
