"""Streams of rows: the source of a NIR image's pixels, and the sink of its colors.

Arrays here; files in `haqagen_jax.images.source` and `haqagen_jax.images.sink`.
"""

import copy
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Real

from haqagen_jax.images import nodata
from haqagen_jax.images.levels import known_depth_of, quantize, values
from haqagen_jax.images.opacity import unassociated
from haqagen_jax.images.resize import reduce
from haqagen_jax.nir.preparation import Preparation

BLOCK = 1 << 20  # pixels in memory at once, where an image is read by parts


@runtime_checkable
class Source(Protocol):
    """A NIR image that is read by rows.

    Attributes:
        height, width: Pixels.
        dtype: uint8, uint16 or float; see `haqagen_jax.images.levels.known_depth`.
    """

    height: int
    width: int
    dtype: np.dtype

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """Return rows start ... stop - 1; cheapest in order from above.

        Args:
            start: The first row.
            stop: The row after the last.

        Returns:
            The rows, of the source's type; a masked array where pixels hold no data.

        Raises:
            InputError: They cannot be read.
        """
        ...


@runtime_checkable
class Sink(Protocol):
    """The receiver of one image's colors: some `write`, then either `close` or `fail`."""

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """Take the next rows from above.

        Args:
            rows: sRGB-encoded, in [0, 1]; NaN where the image holds no data.

        Raises:
            Exception: They cannot be kept.
        """
        ...

    def close(self) -> None:
        """Finish the image, after the last row.

        Raises:
            Exception: The image cannot be kept.
        """
        ...

    def fail(self, error: Exception) -> None:
        """Give the image up, because it cannot be colored.

        Args:
            error: The reason; a sink that raises it ends all work.
        """
        ...


class ArraySource:
    """A NIR image in memory."""

    def __init__(self, image: Real[np.ndarray, "h w"]) -> None:
        """Refer to an image without a copy.

        Args:
            image: uint8, uint16 or float; masked where it holds no data.
        """
        self.height, self.width = image.shape
        self.dtype = image.dtype
        self._image = image

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`."""
        return nodata.mask(self._image[start:stop])


class MaskedSource:
    """An image that holds no data where another one, its mask or its alpha, is 0."""

    def __init__(self, source: Source, opacity: Source, *, associated: bool = False) -> None:
        """Refer to both; nothing is read.

        Args:
            source: The NIR image.
            opacity: Of the same size.
            associated: Whether the pixels are stored multiplied by their opacity.
        """
        self.height, self.width, self.dtype = source.height, source.width, source.dtype
        # Copies, because sources keep the last rows they decoded.
        self._source, self._opacity = copy.copy(source), copy.copy(opacity)
        self._associated = associated

    def __copy__(self) -> "MaskedSource":
        return MaskedSource(self._source, self._opacity, associated=self._associated)

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`."""
        opacity = np.ma.getdata(self._opacity.rows(start, stop))
        pixels = self._source.rows(start, stop)
        pixels = unassociated(pixels, opacity) if self._associated else pixels
        return nodata.mask(pixels, None, opacity == 0)


class KnownSource:
    """An image of integers that have no depth of their own, in a type whose depth is known.

    Attributes:
        depth: The mapping of its pixels to that type.
    """

    def __init__(self, source: Source) -> None:
        """Read the image once, for its extremes.

        Args:
            source: Any integers or floats.

        Raises:
            InputError: It cannot be read.
        """
        self.height, self.width = source.height, source.width
        self.depth = known_depth_of(source.dtype, ValidBlocks(source)())
        self.dtype, self._source = self.depth.dtype, source

    def __copy__(self) -> "KnownSource":
        other = object.__new__(KnownSource)
        other.__dict__ |= self.__dict__ | {"_source": copy.copy(self._source)}
        return other

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`."""
        return self.depth.apply(self._source.rows(start, stop))


class ValueSource:
    """An image whose pixels have their own values in a type that does not depend on their range."""

    def __init__(self, source: Source) -> None:
        """Refer to an image; nothing is read.

        Args:
            source: Any integers or floats.
        """
        self.height, self.width, self._source = source.height, source.width, source
        self.dtype = values(np.empty(0, source.dtype)).dtype

    def __copy__(self) -> "ValueSource":
        return ValueSource(copy.copy(self._source))

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`."""
        return values(self._source.rows(start, stop))


class ReducedSource:
    """A prepared NIR image at a smaller size, computed as its rows are read."""

    def __init__(self, source: Source, preparation: Preparation, size: tuple[int, int]) -> None:
        """Refer to an image; nothing is read.

        Args:
            source: The NIR image.
            preparation: The mapping of its pixels to [0, 1].
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
        small = reduce(prepared, before, (self.height, self.width), start=start, stop=stop)
        return nodata.mask(small)


class ArraySink:
    """An image in memory."""

    def __init__(self, image: Real[np.ndarray, "h w 3"]) -> None:
        """Begin at the top.

        Args:
            image: Filled from above; its type is that of the colors, see
                `haqagen_jax.images.levels.quantize`. Pixels without data become NaN, and 0 in
                integers.
        """
        self._image, self._next = image, 0

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        stop = self._next + len(rows)
        if self._image.dtype.kind != "f":  # integers cannot say that there is no data
            rows = np.nan_to_num(rows, nan=0.0)
        self._image[self._next : stop] = quantize(rows, self._image.dtype)
        self._next = stop

    def close(self) -> None:
        """See `Sink`."""

    def fail(self, error: Exception) -> None:
        """Raise the error, which ends all work: a part of an array is of no use.

        Args:
            error: The reason.

        Raises:
            Exception: The reason itself.
        """
        raise error


class ValidBlocks:
    """All pixels of an image that hold data, as often as they are asked for.

    Attributes:
        gaps: Whether a pixel without data has been met so far.
    """

    def __init__(self, source: Source) -> None:
        """Refer to an image; nothing is read.

        Args:
            source: The image.
        """
        self._source, self.gaps = source, False

    def __call__(self) -> Iterator[Real[np.ndarray, "..."]]:
        """Read the image from above, in parts of at most `BLOCK` pixels.

        Yields:
            Plain arrays: rows, or the valid pixels of rows.

        Raises:
            InputError: It cannot be read.
        """
        source = self._source
        step = max(1, BLOCK // source.width)
        for start in range(0, source.height, step):
            rows = source.rows(start, min(start + step, source.height))
            self.gaps = self.gaps or isinstance(rows, np.ma.MaskedArray)
            yield nodata.valid(rows)
