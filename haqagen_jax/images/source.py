"""A NIR image file as a source of rows: large plain TIFF by parts, everything else in memory."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tifffile

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images import files as image_files
from haqagen_jax.images import tiff
from haqagen_jax.images.decode import decode_nir
from haqagen_jax.images.formats import only_page
from haqagen_jax.images.levels import known_depth
from haqagen_jax.images.stream import BLOCK, ArraySource, Source
from haqagen_jax.images.tiff_tags import Carried, carried_tags

MAX_PIXELS = 1_000_000_000  # of a file that is decoded as a whole, unless the user says


class Opened(NamedTuple):
    """A file that is about to be colored.

    Attributes:
        source: its pixels.
        carried: what a TIFF of its colors says of place and resolution.
        check: raises InputError if the file has changed since; call it after the last row.
    """

    source: Source
    carried: Carried
    check: Callable[[], None]


def open_nir(path: Path, max_pixels: int | None = None) -> Opened:
    """Opens a NIR image.

    Args:
        path: of a PNG, JPEG or TIFF file, whatever its extension.
        max_pixels: the largest size wanted. None: `MAX_PIXELS` for what is decoded as a whole, any
            for what is read by parts.

    Returns:
        The file; not kept open.

    Raises:
        InputError: an image of more pixels, and all of `haqagen_jax.images.files.read_nir`.
    """
    height, width = image_files.read_size(path)
    before = _state(path)
    page, carried = _described(path)
    if height * width <= BLOCK:
        page = None
    limit = max_pixels if max_pixels is not None else None if page else MAX_PIXELS
    if limit is not None and height * width > limit:
        raise InputError(
            f"{path}: {height}x{width} pixels are more than {limit:,}; give --max-pixels if there "
            "is memory for them"
        )
    if page is not None:
        with located(path), decodable():
            return Opened(tiff.TiffSource(path, page), carried, lambda: _unchanged(path, before))
    nir = decode_nir(image_files.read_bytes(path), path)
    with located(path):
        nir = known_depth(nir)
        _unchanged(path, before)
    return Opened(ArraySource(nir), carried, lambda: None)


def _described(path: Path) -> tuple[tifffile.TiffPage | None, Carried]:
    """What the header of a TIFF says.

    Args:
        path: of a file of any format.

    Returns:
        Its only image, if that can be read by parts, and its tags; neither for other files, or
        damaged ones.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = only_page(file)
            return page if tiff.windowed(page) else None, carried_tags(page)
    except Exception:  # decoding says what is wrong
        return None, Carried({})


def _state(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _unchanged(path: Path, before: tuple[int, ...]) -> None:
    try:
        same = _state(path) == before
    except OSError:
        same = False
    if not same:
        raise InputError("has changed while it was read; colour it again")
