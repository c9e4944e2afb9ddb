"""Between a feature map and its four directional sequences.

Directions, in this order: along rows, along columns, and the reverses of both. Any dtype, channels
last.

Reference: Liu et al., "VMamba: Visual State Space Model" (2024), Sec. 4.2; HAQAGen Sec. 3.1.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

DIRECTIONS = 4


def cross_scan(x: Float[Array, "b h w d"]) -> Float[Array, "b l k d"]:
    """Unrolls a map along the four directions.

    Args:
        x: a feature map.

    Returns:
        Four sequences of length l = h w each, on the axis k = 4.
    """
    return _unroll([x] * DIRECTIONS)


def cross_scan_each(maps: Float[Array, "b h w k d"]) -> Float[Array, "b l k d"]:
    """Unrolls four maps, each along its own direction.

    Args:
        maps: a map for each direction, in the order of `cross_scan`.

    Returns:
        Four sequences of length l = h w.
    """
    return _unroll([maps[:, :, :, k] for k in range(DIRECTIONS)])


def _unroll(maps: list[Array]) -> Array:
    b, h, w, d = maps[0].shape
    rows, reversed_rows = (x.reshape(b, h * w, d) for x in maps[::2])
    columns, reversed_columns = (jnp.swapaxes(x, 1, 2).reshape(b, h * w, d) for x in maps[1::2])
    return jnp.stack([rows, columns, reversed_rows[:, ::-1], reversed_columns[:, ::-1]], axis=2)


def cross_merge(y: Float[Array, "b l k d"], *, height: int, width: int) -> Float[Array, "b h w d"]:
    """Puts the four sequences back on the map and adds them up.

    Args:
        y: four sequences in the order of `cross_scan`.
        height: rows of the map.
        width: columns of the map; height times width is the length of the sequences.

    Returns:
        The sum over directions; `cross_merge(cross_scan(x))` is `4 x`.

    Raises:
        ValueError: the length is not height times width, or there are not four sequences.
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
