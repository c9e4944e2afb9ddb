"""Write a color TIFF as its rows come; it is read by `haqagen_jax.images.tiff_source`."""

import copy
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.images.icc import profile
from haqagen_jax.images.marking import NO_MARK, Marking
from haqagen_jax.images.nodata import TAG, has_data
from haqagen_jax.images.stream import Source

_TILE = 256
_BUFFER = 1 << 23  # bytes of tiles that are encoded at the same time
CLASSIC = 4_000_000_000  # bytes: beyond, only BigTIFF can address


def write_rows(
    file: io.BufferedIOBase,
    size: tuple[int, int],
    dtype: np.dtype,
    rows: Iterable[Real[np.ndarray, "rows w c"]],
    tags: dict[str, Any],
    marking: Marking = NO_MARK,
) -> None:
    """Write an sRGB image that comes by rows in compressed tiles; BigTIFF beyond 4 GB.

    Args:
        file: Open for writing.
        size: (h, w), pixels.
        dtype: uint8, uint16 or float32.
        rows: From above, of that type.
        tags: See `haqagen_jax.images.tiff_tags.carried_tags`.
        marking: How pixels without data are marked in the rows.

    Raises:
        OSError: They cannot be written.
        InputError: The mask cannot be read.
    """
    h, w = size
    big = h * w * marking.channels * dtype.itemsize > CLASSIC
    with tifffile.TiffWriter(file, bigtiff=big) as writer:  # pyright: ignore
        write_page(writer, size, dtype, rows, tags, marking)


def write_page(
    writer: tifffile.TiffWriter,
    size: tuple[int, int],
    dtype: np.dtype,
    rows: Iterable[Real[np.ndarray, "rows w c"]],
    tags: dict[str, Any],
    marking: Marking = NO_MARK,
) -> None:
    """Write an image behind those that a TIFF has, as `write_rows` writes the only one.

    Args:
        writer: Of the TIFF.
        size: See `write_rows`.
        dtype: See `write_rows`.
        rows: See `write_rows`.
        tags: See `write_rows`.
        marking: See `write_rows`.

    Raises:
        OSError: They cannot be written.
        InputError: The mask cannot be read.
    """
    h, w = size
    tile = min(_TILE, -(-h // 16) * 16), min(_TILE, -(-w // 16) * 16)
    if marking.tag is not None:
        nodata = (TAG, "s", 0, marking.tag, True)
        tags = tags | {"extratags": [*tags.get("extratags", ()), nodata]}
    writer.write(
        _tiles(rows, w, tile),
        shape=(h, w, marking.channels),
        dtype=dtype,
        tile=tile,
        photometric="rgb",
        extrasamples=("unassalpha",) if marking.kind == "alpha" else None,
        compression="zlib",
        predictor=True,
        iccprofile=profile(),
        metadata=None,
        buffersize=_BUFFER,
        **tags,
    )
    if marking.kind == "mask" and marking.rows is not None:
        _write_mask(writer, marking.rows, tile)


def _write_mask(writer: tifffile.TiffWriter, source: Source, tile: tuple[int, int]) -> None:
    """Add an image of one bit a pixel that is 1 where there is data, as GDAL writes masks."""
    source, step = copy.copy(source), tile[0]
    rows = (
        has_data(source.rows(start, min(start + step, source.height)))[..., None]
        for start in range(0, source.height, step)
    )
    writer.write(
        _tiles(rows, source.width, tile),
        shape=(source.height, source.width),
        dtype=np.bool_,
        tile=tile,
        photometric="mask",
        subfiletype=4,
        compression="zlib",
        metadata=None,
        buffersize=_BUFFER,
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
