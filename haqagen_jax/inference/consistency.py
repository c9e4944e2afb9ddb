"""Tiles that agree: what is coarse comes from the whole picture, what is fine from the tiles.

The network normalises each tile by itself and was trained on pictures of a certain size. So a
large picture is coloured twice: in tiles at its own size, for the detail, and as the training saw
pictures, reduced, in closely overlapping tiles, for colour and brightness.

Reference: the two bands are those of Burt and Adelson, "A Multiresolution Spline with Application
to Image Mosaics" (1983); the use is ours.
"""

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.scaling import resize


def reduced_plan(height: int, width: int, tile: int) -> TilePlan:
    """Plans the tiles of the reduced picture, three or four over each pixel along each axis.

    Args:
        height: of the reduced picture.
        width: of the reduced picture.
        tile: side of a tile.

    Returns:
        The plan; five tiles along twice the length of a tile. The edges of the tiles, where a
        network is at its worst, lie outside: each of their pixels would be several of the result.
    """
    return TilePlan(height, width, tile, stride=max(1, tile * 9 // 32), border=tile // 16)


def join(
    detail: Float[np.ndarray, "h w 3"], coarse: Float[np.ndarray, "h2 w2 3"]
) -> Float32[np.ndarray, "h w 3"]:
    """Puts the fine band of one picture on another, smaller one.

    Args:
        detail: in [0, 1].
        coarse: the same scene in [0, 1], not larger.

    Returns:
        A picture of the first size in [0, 1] that looks like the second when reduced.
    """
    h, w, _ = detail.shape
    reduced = resize(detail, coarse.shape[:2])
    fine = detail - resize(reduced, (h, w))
    return np.clip(resize(coarse, (h, w)) + fine, 0.0, 1.0).astype(np.float32)
