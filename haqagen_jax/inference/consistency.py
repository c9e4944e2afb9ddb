"""Tiles that agree: they overlap closely, at the size at which training saw pictures.

The network normalises each tile by itself and was trained on pictures of a certain size. A larger
one is therefore coloured twice: reduced to that size, in closely overlapping tiles, for colour and
brightness; and in tiles at its own size, for the detail. What a tile says of areas wider than a
pixel of the reduced picture is replaced by what that picture says.

Reference: the two bands are those of Burt and Adelson, "A Multiresolution Spline with Application
to Image Mosaics" (1983); the use is ours.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float32, Int

from haqagen_jax.inference.tiling import TilePlan

# Standard deviation of the Gaussian that parts the bands, in pixels of the reduced picture. From
# 0.5 on seams fade alike; beyond 1 similarity to the truth is lost (make bench-seams).
REACH = 0.75


def close_plan(height: int, width: int, tile: int, stride: int) -> TilePlan:
    """Plans tiles of which three or four lie over each pixel along each axis.

    Args:
        height: of the picture.
        width: of the picture.
        tile: side of a tile.
        stride: the largest distance wanted.

    Returns:
        The plan; five tiles along twice the length of a tile. Their outer edges, where a network
        is at its worst, lie outside the picture.
    """
    close = max(1, tile * 9 // 32)
    return TilePlan(height, width, tile, stride=min(stride, close), border=tile // 16)


def enlarged(
    coarse: Float[np.ndarray, "h w 3"], plan: TilePlan, origin: tuple[int, int]
) -> Float32[np.ndarray, "tile tile 3"]:
    """Cuts a tile out of a small picture, as if it had the size of the large one.

    Args:
        coarse: the small picture.
        plan: of the large one.
        origin: of the tile in it.

    Returns:
        (tile, tile, 3), interpolated linearly between the centres of the small picture's pixels.
    """
    rows, columns = plan.pixels(origin)
    first, down = _between(rows, plan.height, coarse.shape[0])
    left, across = _between(columns, plan.width, coarse.shape[1])
    part = coarse[first : first + down.shape[1], left : left + across.shape[1]]
    half = np.tensordot(down, part, 1)
    return np.ascontiguousarray(np.moveaxis(np.tensordot(across, half, (1, 1)), 0, 1))


def correct(
    tiles: Float[Array, "b tile tile 3"],
    targets: Float[Array, "b tile tile 3"],
    reach: Float[Array, " b"],
) -> Float[Array, "b tile tile 3"]:
    """Replaces the coarse band of tiles.

    Args:
        tiles: predicted.
        targets: whose coarse band is wanted, from `enlarged`.
        reach: standard deviation in pixels of the Gaussian that parts the bands; 0 leaves a tile
            as it is.

    Returns:
        tiles + L(targets - tiles), L the Gaussian mean over what lies in the tile.
    """
    place = jnp.arange(tiles.shape[1])
    distance = (place[:, None] - place[None, :])[None]
    spread = jnp.maximum(reach, 1e-3)[:, None, None]
    mean = jnp.exp(-0.5 * jnp.square(distance / spread))
    mean = mean / mean.sum(-1, keepdims=True)
    change = jnp.einsum("bij,bjkc,blk->bilc", mean, targets - tiles, mean, precision="highest")
    return jnp.where(reach[:, None, None, None] > 0, tiles + change, tiles)


def _between(
    pixels: Int[np.ndarray, " tile"], before: int, after: int
) -> tuple[int, Float32[np.ndarray, "tile n"]]:
    """Which pixels of a shorter axis are needed, and the weight of each for each pixel wanted."""
    place = np.clip((pixels + 0.5) * after / before - 0.5, 0, after - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, after - 1)
    first = int(low.min())
    weights = np.zeros((len(pixels), int(high.max()) - first + 1), np.float32)
    lines = np.arange(len(pixels))
    weights[lines, low - first] = 1 - (place - low)
    weights[lines, high - first] += place - low
    return first, weights
