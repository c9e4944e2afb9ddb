"""A NIR image file as a source of rows: large plain TIFF by parts, everything else in memory."""

from pathlib import Path
from typing import NamedTuple

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images.decode import decode_nir
from haqagen_jax.images.header import Header, open_image
from haqagen_jax.images.levels import known_depth
from haqagen_jax.images.stream import BLOCK, ArraySource, Source
from haqagen_jax.images.tiff import TiffSource

MAX_PIXELS = 1_000_000_000  # of a file that is decoded as a whole, unless the user says


class Opened(NamedTuple):
    """A file that is about to be colored.

    Attributes:
        header: What the file says of itself.
        source: Its pixels; their size and type are those of the pixels that were read.
    """

    header: Header
    source: Source


def open_nir(path: Path, max_pixels: int | None = None) -> Opened:
    """Open a NIR image: once for its header and, unless it is read by parts, its pixels.

    Args:
        path: A PNG, JPEG or TIFF file, whatever its extension.
        max_pixels: The largest size wanted. None: `MAX_PIXELS` for what is decoded as a whole, any
            for what is read by parts.

    Returns:
        The header and the pixels; the file is not kept open.

    Raises:
        InputError: An image of more pixels, and all of `haqagen_jax.images.files.read_nir`.
    """
    with open_image(path) as (header, file):
        pixels = header.height * header.width
        page = header.page if pixels > BLOCK else None
        limit = max_pixels if max_pixels is not None else None if page else MAX_PIXELS
        if limit is not None and pixels > limit:
            raise InputError(
                f"{path}: {header.height}x{header.width} pixels are more than {limit:,}; give "
                "--max-pixels if there is memory for them"
            )
        data = b"" if page else file.read()
    if page is not None:
        with located(path), decodable():
            return Opened(header, TiffSource(path, page))
    nir = decode_nir(data, path)
    del data  # the encoded image need not lie in memory beside a copy of the pixels
    with located(path):
        nir = known_depth(nir)
        header.require_unchanged()
    return Opened(header, ArraySource(nir))
