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
        """Locate the strips or tiles; nothing is decoded.

        Args:
            path: The file.
            page: Its only image, one that is `windowed`; its file may be closed afterwards.

        Raises:
            InputError: Parts are missing, or lie beyond the file's end. The message does not name
                the file.
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
            InputError: The file is damaged, or cannot be read any more.
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
        """Decode a row of tiles, or a strip; cached, as the next rows begin in the last one."""
        number, pixels = self._last
        if number == row:
            return pixels
        page = self._page
        high = min(self._high, self.height - row * self._high)
        image = np.full((high, self.width), page.nodata, self.dtype)
        for column in range(self._across):
            index = row * self._across + column
            if page.databytecounts[index] == 0:  # sparse files omit parts that are all nodata
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
    """Tell whether an image can be read by strips or tiles as it is.

    Args:
        page: The image of an open file.

    Returns:
        True for one plain band of a known depth whose parts are small enough.
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
    """Return how long a file must be to hold all pixels of an image.

    Args:
        page: The image.

    Returns:
        Bytes.
    """
    return max(map(operator.add, page.dataoffsets, page.databytecounts), default=0)


def write_rows(
    file: io.BufferedIOBase,
    size: tuple[int, int],
    dtype: np.dtype,
    rows: Iterable[Real[np.ndarray, "rows w 3"]],
    tags: dict[str, Any],
) -> None:
    """Write an sRGB image that comes by rows in compressed tiles; BigTIFF beyond 4 GB.

    Args:
        file: Open for writing.
        size: (h, w), pixels.
        dtype: uint8, uint16 or float32.
        rows: From above, of that type.
        tags: See `haqagen_jax.images.tiff_tags.carried_tags`.

    Raises:
        OSError: They cannot be written.
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
    """Cut rows into tiles; the last ones are padded with zeros."""
    high, wide = tile
    band, filled = None, 0
    for block in rows:
        while len(block):
            if band is None:
                band = np.zeros((high, -(-width // wide) * wide, block.shape[2]), block.dtype)
            now = block[: high - filled]
            band[filled : filled + len(now), :width] = now
            filled, block = filled + len(now), block[len(now) :]
            if filled == high:
                yield from np.split(band, band.shape[1] // wide, axis=1)
                band, filled = None, 0  # not reused: tiles of this one are still being encoded
    if band is not None:
        yield from np.split(band, band.shape[1] // wide, axis=1)
