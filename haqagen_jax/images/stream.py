"""Where the pixels of a NIR image come from, some rows at a time, and where its colors go.

Arrays here; files in `haqagen_jax.images.source` and `haqagen_jax.images.sink`.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Real

from haqagen_jax.images.levels import quantize
from haqagen_jax.images.resize import reduce
from haqagen_jax.nir.preparation import Preparation

BLOCK = 1 << 20  # pixels that are looked at at once


@runtime_checkable
class Source(Protocol):
    """A NIR image that is read by rows.

    Attributes:
        height, width: pixels.
        dtype: uint8, uint16 or float; see `haqagen_jax.images.levels.known_depth`.
    """

    height: int
    width: int
    dtype: np.dtype

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """Returns rows start ... stop - 1; cheapest where a call goes on where another ended.

        Raises:
            InputError: they cannot be read.
        """
        ...


@runtime_checkable
class Sink(Protocol):
    """What becomes of one image."""

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """Takes the next rows from above, sRGB-encoded.

        Raises:
            Exception: they cannot be kept.
        """
        ...

    def close(self) -> None:
        """Called after the last row.

        Raises:
            Exception: the image cannot be kept.
        """
        ...

    def fail(self, error: Exception) -> None:
        """Called instead of what would follow, when the image cannot be colored.

        Args:
            error: why; raising it ends all work.
        """
        ...


class ArraySource:
    """A NIR image in memory."""

    def __init__(self, image: Real[np.ndarray, "h w"]) -> None:
        self.height, self.width = image.shape
        self.dtype = image.dtype
        self._image = image

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`."""
        return self._image[start:stop]


class ReducedSource:
    """A prepared NIR image at a smaller size, made as its rows are asked for."""

    def __init__(self, source: Source, preparation: Preparation, size: tuple[int, int]) -> None:
        """Remember what is reduced; nothing is read.

        Args:
            source: of the image.
            preparation: of its pixels.
            size: (h, w) of the reduced image, at most that of the image.
        """
        self.height, self.width = size
        self.dtype = np.dtype(np.float32)
        self._source, self._preparation = source, preparation

    def rows(self, start: int, stop: int) -> Float32[np.ndarray, "rows width"]:
        """See `Source`."""

        def prepared(first: int, last: int) -> Float32[np.ndarray, "rows width"]:
            return self._preparation.apply(self._source.rows(first, last))

        before = self._source.height, self._source.width
        return reduce(prepared, before, (self.height, self.width), start=start, stop=stop)


class ArraySink:
    """An image in memory."""

    def __init__(self, image: Real[np.ndarray, "h w 3"]) -> None:
        """Begins at the top.

        Args:
            image: filled from above; its type is that of the colors, see
                `haqagen_jax.images.levels.quantize`.
        """
        self._image, self._next = image, 0

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        stop = self._next + len(rows)
        self._image[self._next : stop] = quantize(rows, self._image.dtype)
        self._next = stop

    def close(self) -> None:
        """See `Sink`."""

    def fail(self, error: Exception) -> None:
        """Ends all work: nobody else waits for a part of an array.

        Args:
            error: raised.
        """
        raise error


def blocks(source: Source) -> Iterator[Real[np.ndarray, "rows width"]]:
    """Yields a whole image from above in parts of about `BLOCK` pixels.

    Args:
        source: of the image.
    """
    step = max(1, BLOCK // source.width)
    for start in range(0, source.height, step):
        yield source.rows(start, min(start + step, source.height))
