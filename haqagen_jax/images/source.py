"""A NIR image file as a source of rows: large plain TIFF by parts, everything else in memory."""

import contextlib
import dataclasses
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images import nodata
from haqagen_jax.images.bands import ALPHA, ASSOCIATED, Choice, chosen_band, only_band
from haqagen_jax.images.decode import Samples, decode, decode_page, nir_of
from haqagen_jax.images.header import Header, header_of, open_image, open_pages
from haqagen_jax.images.levels import known_depth_of, output_dtype
from haqagen_jax.images.marking import Marking, marking_of
from haqagen_jax.images.pages import ALL
from haqagen_jax.images.stored import stored_page
from haqagen_jax.images.stream import BLOCK, ArraySource, KnownSource, MaskedSource, Source
from haqagen_jax.images.tiff_source import TiffSource

_ANY = Choice()
MAX_PIXELS = 1_000_000_000  # of a file that is decoded as a whole, unless the user says


class Opened(NamedTuple):
    """A file that is about to be colored.

    Attributes:
        header: What the file says of itself.
        source: Its pixels; their size and type are those of the pixels that were read.
        colors: uint8, uint16 or float32: the type of its colors.
        marking: How its colors mark pixels without data.
        stored: Its pixels in the type of the file.
        count: The images that are colored of the file.
        pixels: Of all these images together, where there are several.
    """

    header: Header
    source: Source
    colors: np.dtype
    marking: Marking
    stored: Source
    count: int = 1
    pixels: int = 0


def open_nir(path: Path, max_pixels: int | None = None, choice: Choice = _ANY) -> Opened:
    """Open a NIR image: once for its header and, unless it is read by parts, its pixels.

    Args:
        path: An image file, whatever its extension.
        max_pixels: The largest size wanted. None: `MAX_PIXELS` for what is decoded as a whole, any
            for what is read by parts.
        choice: The image and the band that are wanted.

    Returns:
        The header and the pixels; the file is not kept open.

    Raises:
        InputError: An image of more pixels, and all of `haqagen_jax.images.files.read_nir`.
    """
    with open_image(path, choice.number) as (header, file):
        if _in_parts(header, max_pixels, choice):
            with located(path), decodable():
                return _by_parts(header, choice)
        data = file.read()
    samples = decode(data, path, choice.number)
    del data  # the encoded image need not lie in memory beside a copy of the pixels
    return _in_memory(header, samples, choice)


def open_images(
    path: Path, max_pixels: int | None = None, choice: Choice = _ANY
) -> Generator[Opened]:
    """Open the wanted images of a file one after the other, as `open_nir` opens one.

    Args:
        path: See `open_nir`.
        max_pixels: See `open_nir`.
        choice: The image, or all of them, and the band that is wanted of each.

    Yields:
        The images in order; the file is kept open meanwhile.

    Raises:
        InputError: See `open_nir`; of a file with several images the message names the one.
    """
    if choice.page != ALL:
        yield open_nir(path, max_pixels, choice)
        return
    with open_pages(path) as (pages, file):
        length = os.fstat(file.fileno()).st_size
        if len(pages) <= 1:
            yield open_nir(path, max_pixels, dataclasses.replace(choice, page=None))
            return
        pixels = sum(image.page.imagelength * image.page.imagewidth for image in pages)
        for number, page in enumerate(pages, 1):
            with of_page(path, number):
                header = header_of(path, file, stored_page(page))
                if _in_parts(header, max_pixels, choice):
                    with located(path), decodable():
                        image = _by_parts(header, choice)
                else:
                    image = _in_memory(header, decode_page(page, length, path), choice)
            yield image._replace(count=len(pages), pixels=pixels)


@contextlib.contextmanager
def of_page(path: Path, number: int | None) -> Iterator[None]:
    """Name the page in the message of an InputError from inside.

    Args:
        path: The file, with which the message begins.
        number: The page; None to leave the message as it is.

    Raises:
        InputError: An error from inside.
    """
    try:
        yield
    except InputError as error:
        if number is None:
            raise
        raise InputError(f"{path}: page {number}: {str(error).removeprefix(f'{path}: ')}") from None


def _in_parts(header: Header, max_pixels: int | None, choice: Choice) -> bool:
    """Tell whether a file is read by parts; refuse one that has too many pixels."""
    pixels = header.height * header.width
    by_parts = header.page is not None and pixels > BLOCK and _has_band(header, choice)
    limit = max_pixels if max_pixels is not None else None if by_parts else MAX_PIXELS
    if limit is not None and pixels > limit:
        raise InputError(
            f"{header.path}: {header.height}x{header.width} pixels are more than {limit:,}; give "
            "--max-pixels if there is memory for them"
        )
    return by_parts


def _in_memory(header: Header, samples: Samples, choice: Choice) -> Opened:
    with located(header.path):
        nir = nir_of(samples, choice)
        alpha = None if _alpha_itself(samples.names, choice) else samples.alpha
        depth = known_depth_of(nir.dtype, (nodata.valid(nir),))
        source = ArraySource(depth.apply(nir))
        header.require_unchanged()
    opacity = None if alpha is None else ArraySource(alpha)
    return _opened(header, source, depth.colors, opacity, ArraySource(nir))


def _by_parts(header: Header, choice: Choice) -> Opened:
    """Open one band of a large TIFF; the message of an error does not name it."""
    page, names = header.page, header.names
    assert page is not None
    index = only_band(names) if choice.band is None else chosen_band(names, choice.band)
    assert index is not None
    source: Source = TiffSource(header.path, page, index)
    opacity = None
    if ALPHA in names and names[index] != ALPHA:
        opacity = TiffSource(header.path, page, names.index(ALPHA))
        source = MaskedSource(source, opacity, associated=ASSOCIATED in page.extrasamples)
    if header.mask is not None:
        source = MaskedSource(source, TiffSource(header.path, header.mask))
    colors, stored = output_dtype(source.dtype), source
    if source.dtype.kind in "iu" and source.dtype not in (np.uint8, np.uint16):
        source = known = KnownSource(source)
        colors = known.depth.colors
    return _opened(header, source, colors, opacity, stored)


def _alpha_itself(names: tuple[str, ...], choice: Choice) -> bool:
    """Tell whether the band that is wanted is what the file calls alpha."""
    return choice.band is not None and names[chosen_band(names, choice.band)] == ALPHA


def _has_band(header: Header, choice: Choice) -> bool:
    """Tell whether one band is all that is wanted."""
    return choice.gray is None and (choice.band is not None or only_band(header.names) is not None)


def _opened(
    header: Header, source: Source, colors: np.dtype, opacity: Source | None, stored: Source
) -> Opened:
    masked = None if header.mask is None else source
    marking = marking_of(header.tag, colors, opacity, masked)
    return Opened(header, source, colors, marking, stored)
