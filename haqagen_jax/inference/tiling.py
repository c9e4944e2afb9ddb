"""Plan and cut the tiles of an image: Algorithm 1, lines 1 to 3 and 6.

Images are (h, w, c). The padded image is never built: a tile gathers its pixels through reflected
indices, so any image from 1x1 up works, also one much smaller than a tile. Not handled: blending
(`blend.py`), files.
"""

import dataclasses

import numpy as np
from jaxtyping import Int, Shaped

from haqagen_jax import paper
from haqagen_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class TilePlan:
    """The tiles that cover an image, row by row.

    Tiles start every `stride` pixels. What they cover beyond the image, as little as possible but
    `border`, is split between both sides and filled by reflection.

    Attributes:
        height, width: Size of the image, pixels, at least 1.
        tile: Side of a tile, pixels.
        stride: Distance of neighboring tiles, pixels, at most `tile`: no pixel is left out.
        border: Least number of pixels that tiles cover beyond each side of the image, where the
            network should not see the image end.
    """

    height: int
    width: int
    tile: int = paper.PATCH
    stride: int = paper.STRIDE
    border: int = 0

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise InputError(f"image of {self.height}x{self.width} pixels: needs at least 1x1")
        for name, value in (("tile", self.tile), ("stride", self.stride)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise InputError(f"{name} = {value!r}: must be a whole number of pixels")
        if self.tile < 1:
            raise InputError(f"tile = {self.tile}: must be at least 1")
        if not 1 <= self.stride <= self.tile:
            raise InputError(
                f"stride = {self.stride}: must be from 1 to the tile's {self.tile} pixels"
            )
        if self.border < 0:
            raise InputError(f"border = {self.border}: must be at least 0")

    def __str__(self) -> str:
        down, across = self.grid
        top, left = self.margin
        bottom, right = self.padded[0] - self.height - top, self.padded[1] - self.width - left
        return (
            f"{self.height}x{self.width} pixels: {down} x {across} tiles of {self.tile} every "
            f"{self.stride}, {top} above, {bottom} below, {left} left and {right} right reflected"
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Tiles down and across."""
        return self._steps(self.height), self._steps(self.width)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width that the tiles cover."""
        down, across = self.grid
        return (down - 1) * self.stride + self.tile, (across - 1) * self.stride + self.tile

    @property
    def margin(self) -> tuple[int, int]:
        """Rows above and columns left of the image in the padded image."""
        return (self.padded[0] - self.height) // 2, (self.padded[1] - self.width) // 2

    @property
    def origins(self) -> tuple[tuple[int, int], ...]:
        """Top left corner (y, x) of every tile in the padded image."""
        down, across = self.grid
        return tuple((y * self.stride, x * self.stride) for y in range(down) for x in range(across))

    def __len__(self) -> int:
        down, across = self.grid
        return down * across

    def rows(self, row: int) -> slice:
        """Return the rows of the image that a row of tiles is cut from.

        Args:
            row: 0 to `grid[0]` - 1.

        Returns:
            The range of rows, within the image.
        """
        indices, _ = self.pixels((row * self.stride, 0))
        return slice(int(indices.min()), int(indices.max()) + 1)

    def pixels(
        self, origin: tuple[int, int]
    ) -> tuple[Int[np.ndarray, " tile"], Int[np.ndarray, " tile"]]:
        """Return the rows and the columns of the image that a tile shows, in the tile's order.

        Args:
            origin: One of `origins`.

        Returns:
            The indices of the rows and of the columns, those beyond the image reflected into it.
        """
        y, x = origin
        rows = _reflected(y - self.margin[0], self.tile, self.height)
        return rows, _reflected(x - self.margin[1], self.tile, self.width)

    def extract(
        self, image: Shaped[np.ndarray, "h w c"], origin: tuple[int, int], first: int = 0
    ) -> Shaped[np.ndarray, "tile tile c"]:
        """Cut one tile out of the (virtually) padded image.

        Args:
            image: (height, width, c) as planned, or those of its rows that the tile shows.
            origin: One of `origins`.
            first: The row of the image that `image` begins with.

        Returns:
            (tile, tile, c).
        """
        rows, columns = self.pixels(origin)
        return image[rows[:, None] - first, columns[None, :]]

    def _steps(self, size: int) -> int:
        beyond = size + 2 * self.border - self.tile
        return 1 + max(0, -(-beyond // self.stride))


def _reflected(start: int, count: int, size: int) -> Int[np.ndarray, " count"]:
    """Return start ... start + count - 1, reflected at 0 and size - 1 as often as needed."""
    period = max(2 * (size - 1), 1)
    position = np.arange(start, start + count) % period
    return np.minimum(position, period - position) if size > 1 else np.zeros(count, np.int64)
