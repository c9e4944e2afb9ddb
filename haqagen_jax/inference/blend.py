"""Feather blending: Algorithm 1, lines 4, 5, 9, 10, 12 and 13, a row of tiles at a time.

Tiles and results are float32 numpy arrays, (tile, tile, c) and (rows, width, c). The weights are
the outer product of two windows that are positive everywhere, so every pixel has a weight. Both
axes are divided by their sums beforehand: what has been added up needs no division, and memory
holds one row of tiles, however high the image.
"""

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.ops.windows import window


class Blender:
    """Sum weighted tiles, and return rows as soon as no later tile overlaps them.

    Reference: Sec. 3.3(iii), "Feather blending".
    """

    def __init__(self, plan: TilePlan, name: str = "hann", channels: int = 3) -> None:
        """Begin with an empty band of rows.

        Args:
            plan: The tiles of the image.
            name: Name of the window; see `haqagen_jax.ops.windows`.
            channels: Channels of a tile.
        """
        self.plan = plan
        weights = np.asarray(window(name, plan.tile), np.float64)
        self._down, self._across = (_shares(weights, n, plan.stride) for n in plan.grid)
        self._band = np.zeros((plan.tile, plan.padded[1], channels), np.float32)

    def add(
        self, tile: Float[np.ndarray, "tile tile c"], origin: tuple[int, int]
    ) -> Float32[np.ndarray, "rows width c"]:
        """Add one predicted tile.

        Args:
            tile: (tile, tile, channels).
            origin: Top left corner (y, x) in the padded image; tiles come in the plan's order.

        Returns:
            The next finished rows of the image from above, none in most cases; all of them by the
            time that the plan's last tile was added.
        """
        y, x = origin
        row, column = y // self.plan.stride, x // self.plan.stride
        share = self._down[row][:, None, None] * self._across[column][None, :, None]
        self._band[:, x : x + self.plan.tile] += tile * share
        if column + 1 < self.plan.grid[1]:
            return self._finished(0, 0)
        if row + 1 == self.plan.grid[0]:
            return self._finished(y, self.plan.tile)
        rows = self._finished(y, self.plan.stride)
        kept = self.plan.tile - self.plan.stride
        self._band[:kept] = self._band[self.plan.stride :]
        self._band[kept:] = 0
        return rows

    def _finished(self, y: int, count: int) -> np.ndarray:
        """Copy the band's first `count` rows, from row y of the padded image, without padding."""
        top, left = self.plan.margin
        first = max(0, top - y)
        last = max(first, min(count, top + self.plan.height - y))
        return self._band[first:last, left : left + self.plan.width].copy()


def _shares(
    weights: Float[np.ndarray, " tile"], count: int, stride: int
) -> Float32[np.ndarray, "count tile"]:
    """Normalize the window of each tile along an axis: the shares of every pixel sum to one."""
    total = np.zeros((count - 1) * stride + len(weights))
    for start in range(0, count * stride, stride):
        total[start : start + len(weights)] += weights
    positions = np.arange(0, count * stride, stride)[:, None] + np.arange(len(weights))
    return (weights / total[positions]).astype(np.float32)
