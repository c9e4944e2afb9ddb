"""How visible the borders between tiles are in a finished image.

numpy, images (h, w, 3) of any range.
"""

import numpy as np
from jaxtyping import Float

from haqagen_jax import metrics
from haqagen_jax.inference.tiling import TilePlan

_NEAR = 8  # what lies within an eighth of a tile of a border counts as neither


def seam_energy(image: Float[np.ndarray, "h w c"], plan: TilePlan, reach: int = 1) -> float:
    """Measures the seams of one image; see `metrics.seam_energy`.

    A border lies in the middle of where two tiles overlap. A feathered step shows over the width of
    the overlap, `plan.tile - plan.stride`, more than from pixel to pixel.

    Args:
        image: that was put together from tiles, or one to compare with.
        plan: of the tiles.
        reach: distance of the two pixels whose difference is taken, at least 1, in pixels.

    Returns:
        About 1 where nothing shows.

    Raises:
        ValueError: one tile only, or nothing inside.
    """
    rows, columns = (
        np.arange(1, count) * plan.stride + (plan.tile - plan.stride) // 2 - margin
        for count, margin in zip(plan.grid, plan.margin, strict=True)
    )
    near = plan.tile // _NEAR
    return float(metrics.seam_energy(image[None], rows, columns, near=near, reach=reach)[0])
