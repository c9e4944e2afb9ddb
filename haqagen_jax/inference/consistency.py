"""Tiles that agree: they overlap closely, at the size at which training saw pictures.

The network normalises each tile by itself and was trained on pictures of a certain size. A larger
one is therefore coloured twice: in tiles at its own size, for the detail, and reduced, in closely
overlapping tiles, for colour and brightness.

Reference: the two bands are those of Burt and Adelson, "A Multiresolution Spline with Application
to Image Mosaics" (1983); the use is ours.
"""

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.scaling import resize


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
