"""How visible the borders between tiles are in a finished image; in NumPy, values of any range."""

import numpy as np
from jaxtyping import Float

from haqagen_jax import metrics
from haqagen_jax.inference.tiling import TilePlan

_NEAR = 8  # pixels within an eighth of a tile from a border count as neither border nor inside


def seam_energy(image: Float[np.ndarray, "h w c"], plan: TilePlan, reach: int = 1) -> float:
    """Compute the seam energy of one image; see `metrics.seam_energy`.

    A border lies in the middle of the overlap of two tiles. A blended step shows more over the
    width of the overlap, `plan.tile - plan.stride`, than from pixel to pixel.

    Args:
        image: Image that was blended from tiles, or one to compare with.
        plan: Positions of the tiles.
        reach: Distance of the two pixels whose difference is taken, in pixels, at least 1.

    Returns:
        The energy, about 1 where seams are invisible.

    Raises:
        ValueError: If there is only one tile, or no pixel inside of tiles.
    """
    rows, columns = (
        np.arange(1, count) * plan.stride + (plan.tile - plan.stride) // 2 - margin
        for count, margin in zip(plan.grid, plan.margin, strict=True)
    )
    near = plan.tile // _NEAR
    return float(metrics.seam_energy(image[None], rows, columns, near=near, reach=reach)[0])
