"""Feather blending: Algorithm 1, lines 4, 5, 9, 10, 12 and 13.

Tiles and results are float32 numpy arrays, (tile, tile, 3) and (h, w, 3). The weights are a
separable Hann window that is positive everywhere, so every pixel of the image has a weight.
"""

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.ops.windows import hann_2d


class Blender:
    """Adds weighted tiles up and divides by the sum of the weights.

    Reference: Sec. 3.3(iii), "Feather blending".
    """

    def __init__(self, plan: TilePlan) -> None:
        self.plan = plan
        self._mask = np.asarray(hann_2d(plan.tile), np.float32)[..., None]
        self._total = np.zeros((*plan.padded, 3), np.float32)
        self._weight = np.zeros((*plan.padded, 1), np.float32)

    def add(self, tile: Float[np.ndarray, "tile tile 3"], origin: tuple[int, int]) -> None:
        """Adds one predicted tile.

        Args:
            tile: (tile, tile, 3).
            origin: of the tile, from the plan.
        """
        y, x = origin
        area = np.s_[y : y + self.plan.tile, x : x + self.plan.tile]
        self._total[area] += tile * self._mask
        self._weight[area] += self._mask

    def result(self) -> Float32[np.ndarray, "h w 3"]:
        """Returns the blended image, (height, width, 3), once every tile was added."""
        y, x = self.plan.margin
        area = np.s_[y : y + self.plan.height, x : x + self.plan.width]
        return self._total[area] / self._weight[area]
