"""A band of a TIFF by parts: some rows at a time, so that memory does not grow with the image.

What is not plain (palettes, subsampled colors, turned images, several images in a file) is not read
by parts: `windowed` says so, and `haqagen_jax.images.decode` reads it whole.
"""

import io
import logging
import operator
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Bool, Real

from haqagen_jax.errors import InputError, decodable, reason
from haqagen_jax.images import nodata
from haqagen_jax.images.levels import full_depth
from haqagen_jax.images.tiff_tags import ORIENTATION

_LARGEST = 1 << 26  # samples of a strip that is decoded at once

# Damaged TIFF tags are reported by what fails to decode, not by a library's log on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffSource:
    """One band of a TIFF on disk, see `haqagen_jax.images.stream.Source`."""

    def __init__(self, path: Path, page: tifffile.TiffPage, band: int = 0) -> None:
        """Locate the strips or tiles; nothing is decoded.

        Args:
            path: The file.
            page: Its image, one that is `windowed`; its file may be closed afterwards.
            band: The sample of each pixel, from 0.

        Raises:
            InputError: Parts are missing, or lie beyond the file's end. The message does not name
                the file.
        """
        self.height, self.width = page.imagelength, page.imagewidth
        stored = np.dtype(page.dtype)
        self.dtype = np.dtype(np.uint8) if stored.kind == "b" else stored
        self._path, self._page, self._band = path, page, band
        self._inverted = page.photometric == 0 and self.dtype.kind == "u" and band == 0
        self._nodata = nodata.read_tag(page)
        planar = page.planarconfig == 2 and page.samplesperpixel > 1
        self._direct = (
            page.compression == 1
            and not page.is_tiled
            and page.is_contiguous
            and all(page.databytecounts)
            and page.is_final
            and (planar or page.samplesperpixel == 1)
        )
        self._high = page.tilelength if page.is_tiled else min(page.rowsperstrip, self.height)
        self._across = -(-self.width // page.tilewidth) if page.is_tiled else 1
        parts = self._across * -(-self.height // self._high)
        self._first = band * parts if planar else 0  # the number of the band's first part
        self._sample = 0 if planar else band
        known = min(len(page.dataoffsets), len(page.databytecounts))
        needed = 1 if self._direct else self._first + parts
        if known < needed or last_byte(page) > path.stat().st_size:
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
        image = nodata.mask(image, self._nodata)
        image = full_depth(image, self._page.bitspersample).astype(self.dtype, copy=False)
        return np.invert(image) if self._inverted else image

    def _read(self, file: io.BufferedIOBase, start: int, stop: int) -> np.ndarray:
        if self._direct:
            stored = self.dtype.newbyteorder(self._page.parent.byteorder)
            above = self._band * self.height + start
            file.seek(self._page.dataoffsets[0] + above * self.width * stored.itemsize)
            image = np.fromfile(file, stored, (stop - start) * self.width)
            return image.reshape(stop - start, self.width)
        first = start // self._high
        parts = [self._part(file, i) for i in range(first, -(-stop // self._high))]
        above = first * self._high
        image = parts[0] if len(parts) == 1 else np.ma.concatenate(parts)
        return image[start - above : stop - above]

    def _part(self, file: io.BufferedIOBase, row: int) -> np.ndarray:
        """Decode a row of tiles, or a strip; cached, as the next rows begin in the last one."""
        number, pixels = self._last
        if number == row:
            return pixels
        page = self._page
        high = min(self._high, self.height - row * self._high)
        image = np.zeros((high, self.width), page.dtype)
        missing = np.zeros((high, self.width), bool)
        for column in range(self._across):
            index = self._first + row * self._across + column
            left = column * page.tilewidth if page.is_tiled else 0
            segment = None
            if page.databytecounts[index]:
                file.seek(page.dataoffsets[index])
                data = file.read(page.databytecounts[index])
                tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
                segment, _, _ = page.decode(data, index, **tables)
            if segment is None:  # sparse files omit parts without data
                missing[:, left : left + (page.tilewidth if page.is_tiled else self.width)] = True
            else:
                part = segment[0, :high, : self.width - left, self._sample]
                image[: len(part), left : left + part.shape[1]] = part
        image = nodata.mask(image, None, missing) if missing.any() else image
        self._last = row, image
        return image


def windowed(page: tifffile.TiffPage, mask: tifffile.TiffPage | None = None) -> bool:
    """Tell whether the bands of an image can be read by strips or tiles as they are.

    Args:
        page: The image of an open file.
        mask: Its mask, if it has one.

    Returns:
        True for plain bands of numbers whose parts are small enough, as are those of the mask.
    """
    return page.photometric in (0, 1, 2) and _plain(page) and (mask is None or _plain(mask))


def _plain(page: tifffile.TiffPage) -> bool:
    dtype, turned = page.dtype, page.tags.valueof(ORIENTATION, default=1) != 1
    if dtype is None or turned or page.imagedepth != 1 or page.is_subsampled:
        return False
    high = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    direct = page.compression == 1 and page.is_contiguous and samples == 1
    return dtype.kind in "buif" and (high * page.imagewidth * samples <= _LARGEST or direct)


def last_byte(page: tifffile.TiffPage) -> int:
    """Return how long a file must be to hold all pixels of an image.

    Args:
        page: The image.

    Returns:
        Bytes.
    """
    return max(map(operator.add, page.dataoffsets, page.databytecounts), default=0)


def missing_parts(page: tifffile.TiffPage) -> Bool[np.ndarray, "..."] | None:
    """Find the samples whose part of a sparse file is missing.

    Args:
        page: The image.

    Returns:
        True where no part holds the sample: (h, w), or (h, w, c) where bands lie in planes of their
        own; None where all are there.
    """
    absent = np.asarray(page.databytecounts) == 0
    if not absent.any():
        return None
    high = page.tilelength if page.is_tiled else page.rowsperstrip
    wide = page.tilewidth if page.is_tiled else page.imagewidth
    grid = -(-page.imagelength // high), -(-page.imagewidth // wide)
    absent = absent[: absent.size // (grid[0] * grid[1]) * (grid[0] * grid[1])]
    planes = np.moveaxis(absent.reshape(-1, *grid), 0, -1)
    parts = planes.repeat(high, 0).repeat(wide, 1)[: page.imagelength, : page.imagewidth]
    return parts if parts.shape[2] > 1 else parts[..., 0]
