"""TIFF by parts: gray images are read some rows at a time, colored ones written as they come.

What is not plain (several samples, palettes, odd depths, turned or stacked images) is not read by
parts: `windowed` says so, and `haqagen_jax.images.files` reads it whole.
"""

import io
import logging
import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.errors import InputError, decodable, reason
from haqagen_jax.images.icc import profile
from haqagen_jax.images.tiff_tags import ORIENTATION

_LARGEST = 1 << 26  # pixels of a strip that is decoded at once
_TILE = 256
_BUFFER = 1 << 23  # bytes of tiles that are encoded at the same time
_CLASSIC = 4_000_000_000  # bytes: beyond, only BigTIFF can address

# Damaged TIFF tags are reported by what fails to decode, not by a library's log on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffSource:
    """A gray TIFF on disk, see `haqagen_jax.images.stream.Source`."""

    def __init__(self, path: Path, page: tifffile.TiffPage) -> None:
        """Remembers where its parts are.

        Args:
            path: of the file.
            page: its only image, one that is `windowed`; its file may be closed afterwards.

        Raises:
            InputError: parts are missing, or lie beyond the file's end.
        """
        self.height, self.width = page.imagelength, page.imagewidth
        self.dtype = np.dtype(page.dtype)
        self._path, self._page, self._order = path, page, page.parent.byteorder
        self._inverted = page.photometric == 0 and self.dtype.kind == "u"
        self._direct = (
            page.compression == 1 and not page.is_tiled and page.is_contiguous and page.is_final
        )
        self._high = page.tilelength if page.is_tiled else min(page.rowsperstrip, self.height)
        self._across = -(-self.width // page.tilewidth) if page.is_tiled else 1
        parts = self._across * -(-self.height // self._high)
        known = min(len(page.dataoffsets), len(page.databytecounts))
        if known < (1 if self._direct else parts) or last_byte(page) > path.stat().st_size:
            raise InputError("truncated (a TIFF without its last pixels); copy or export it again")
        self._last: tuple[int, np.ndarray] = -1, np.empty(0)

    def rows(self, start: int, stop: int) -> Real[np.ndarray, "rows width"]:
        """See `Source`.

        Raises:
            InputError: the file is damaged, or cannot be read any more.
        """
        with decodable():
            try:
                with self._path.open("rb") as file:
                    image = self._read(file, start, stop)
            except OSError as error:
                raise InputError(f"cannot be read ({reason(error)}); check its rights") from None
        image = image.astype(self.dtype, copy=False)
        return np.invert(image) if self._inverted else image

    def _read(self, file: io.BufferedIOBase, start: int, stop: int) -> np.ndarray:
        if self._direct:
            stored = np.dtype(self._order + self.dtype.str[1:])
            file.seek(self._page.dataoffsets[0] + start * self.width * stored.itemsize)
            image = np.fromfile(file, stored, (stop - start) * self.width)
            return image.reshape(stop - start, self.width)
        first = start // self._high
        parts = [self._part(file, i) for i in range(first, -(-stop // self._high))]
        above = first * self._high
        image = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return image[start - above : stop - above]

    def _part(self, file: io.BufferedIOBase, row: int) -> np.ndarray:
        """Decodes a row of tiles, or a strip; keeps the last one, as the next rows begin in it."""
        number, pixels = self._last
        if number == row:
            return pixels
        page = self._page
        high = min(self._high, self.height - row * self._high)
        image = np.full((high, self.width), page.nodata, self.dtype)
        for column in range(self._across):
            index = row * self._across + column
            if page.databytecounts[index] == 0:  # a part without data, as sparse files have
                continue
            file.seek(page.dataoffsets[index])
            data = file.read(page.databytecounts[index])
            tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
            segment, _, _ = page.decode(data, index, **tables)
            left = column * page.tilewidth if page.is_tiled else 0
            if segment is not None:
                part = segment[0, :high, : self.width - left, 0]
                image[: len(part), left : left + part.shape[1]] = part
        self._last = row, image
        return image


def windowed(page: tifffile.TiffPage) -> bool:
    """Tells whether an image can be read by parts as it is.

    Args:
        page: of an open file.
    """
    plain = page.samplesperpixel == 1 and page.imagedepth == 1 and page.photometric in (0, 1)
    dtype = page.dtype
    if dtype is None or not plain or page.tags.valueof(ORIENTATION, default=1) != 1:
        return False
    known = dtype in (np.uint8, np.uint16) or dtype.kind == "f"
    high = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    fits = high * page.imagewidth <= _LARGEST or (page.compression == 1 and page.is_contiguous)
    return known and page.bitspersample == 8 * dtype.itemsize and fits


def last_byte(page: tifffile.TiffPage) -> int:
    """Returns how long a file must be to hold all pixels of an image.

    Args:
        page: of the file.
    """
    return max(map(operator.add, page.dataoffsets, page.databytecounts), default=0)


def write_rows(
    file: io.BufferedIOBase,
    size: tuple[int, int],
    dtype: np.dtype,
    rows: Iterable[Real[np.ndarray, "rows w 3"]],
    tags: dict[str, Any],
) -> None:
    """Writes an sRGB image that comes by rows: in compressed tiles, BigTIFF where it must be.

    Args:
        file: open for writing.
        size: (h, w).
        dtype: uint8, uint16 or float32.
        rows: from above.
        tags: of `haqagen_jax.images.tiff_tags.carried_tags`.

    Raises:
        OSError: they cannot be written.
    """
    h, w = size
    tile = min(_TILE, -(-h // 16) * 16), min(_TILE, -(-w // 16) * 16)
    big = h * w * 3 * dtype.itemsize > _CLASSIC
    with tifffile.TiffWriter(file, bigtiff=big) as writer:  # pyright: ignore
        writer.write(
            _tiles(rows, w, tile),
            shape=(h, w, 3),
            dtype=dtype,
            tile=tile,
            photometric="rgb",
            compression="zlib",
            predictor=True,
            iccprofile=profile(),
            metadata=None,
            buffersize=_BUFFER,
            **tags,
        )


def _tiles(rows: Iterable[np.ndarray], width: int, tile: tuple[int, int]) -> Iterator[np.ndarray]:
    """Cuts rows into tiles; what the last ones lack is zero."""
    high, wide = tile
    band, filled = None, 0
    for some in rows:
        while len(some):
            if band is None:
                band = np.zeros((high, -(-width // wide) * wide, some.shape[2]), some.dtype)
            now = some[: high - filled]
            band[filled : filled + len(now), :width] = now
            filled, some = filled + len(now), some[len(now) :]
            if filled == high:
                yield from np.split(band, band.shape[1] // wide, axis=1)
                band, filled = None, 0  # a new one: tiles of the last are still being encoded
    if band is not None:
        yield from np.split(band, band.shape[1] // wide, axis=1)
