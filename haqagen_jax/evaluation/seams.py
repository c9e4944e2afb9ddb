"""How visible the borders between tiles are: in a finished picture, and in tiles that overlap.

numpy, pictures (h, w, 3) of any range.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from haqagen_jax.inference.tiling import TilePlan

_NEAR = 8  # what lies within an eighth of a tile of a border counts as neither


def seam_energy(image: Float[np.ndarray, "h w c"], plan: TilePlan, reach: int = 1) -> float:
    """Compares differences across the borders between tiles with those inside of tiles.

    A border lies in the middle of where two tiles overlap. A feathered step shows over the width of
    the overlap, `plan.tile - plan.stride`, more than from pixel to pixel. Pictures have edges of
    their own where borders lie: compare with the energy of the true picture under the same plan.

    Args:
        image: that was put together from tiles, or one to compare with.
        plan: of the tiles.
        reach: distance of the two pixels whose difference is taken, at least 1, in pixels.

    Returns:
        Variance of the differences across borders, over that of the differences inside; about 1
        where nothing shows.

    Raises:
        ValueError: one tile only, or nothing inside.

    Reference: HAQAGen Sec. 3.3(ii), "seam-energy diagnostic (gradient variance across patch
        borders)"; the reach is ours.
    """
    across, inside = [], []
    for axis in (0, 1):
        lines = np.moveaxis(image, axis, 0)
        steps = lines[reach:] - lines[:-reach]
        shift = (plan.tile - plan.stride) // 2 - plan.margin[axis]
        borders = np.arange(1, plan.grid[axis]) * plan.stride + shift
        middle = np.arange(len(steps)) + (reach + 1) // 2
        distance = np.abs(middle[:, None] - borders).min(1, initial=max(lines.shape[0], 1))
        across.append(steps[distance <= 1].ravel())
        inside.append(steps[distance > plan.tile // _NEAR + reach].ravel())
    if not sum(map(len, across)) or not sum(map(len, inside)):
        raise ValueError(f"{plan}: no border with an inside on both sides")
    return float(np.concatenate(across).var() / np.concatenate(inside).var())


def overlap_difference(
    tiles: Mapping[tuple[int, int], Float[np.ndarray, "tile tile c"]], plan: TilePlan
) -> float:
    """Measures how far neighbouring tiles disagree where they overlap.

    Args:
        tiles: by their origins.
        plan: of the tiles.

    Returns:
        Root mean square of the differences; NaN for one tile.
    """
    differences = []
    for (y, x), tile in tiles.items():
        for below, beside in ((plan.stride, 0), (0, plan.stride)):
            other = tiles.get((y + below, x + beside))
            if other is not None:
                here = tile[below:, beside:]
                differences.append((here - other[: len(here), : here.shape[1]]).ravel())
    if not differences:
        return float("nan")
    return float(np.sqrt(np.mean(np.square(np.concatenate(differences)))))
