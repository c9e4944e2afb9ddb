"""A NIR image file as a source of rows: large plain TIFF by parts, everything else in memory."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images import nodata
from haqagen_jax.images.bands import ALPHA, ASSOCIATED, Choice, chosen_band, only_band
from haqagen_jax.images.decode import decode, nir_of
from haqagen_jax.images.header import Header, open_image
from haqagen_jax.images.levels import known_depth_of, output_dtype
from haqagen_jax.images.marking import Marking, marking_of
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
    """

    header: Header
    source: Source
    colors: np.dtype
    marking: Marking
    stored: Source


def open_nir(path: Path, max_pixels: int | None = None, choice: Choice = _ANY) -> Opened:
    """Open a NIR image: once for its header and, unless it is read by parts, its pixels.

    Args:
        path: A PNG, JPEG or TIFF file, whatever its extension.
        max_pixels: The largest size wanted. None: `MAX_PIXELS` for what is decoded as a whole, any
            for what is read by parts.
        choice: The band that is wanted.

    Returns:
        The header and the pixels; the file is not kept open.

    Raises:
        InputError: An image of more pixels, and all of `haqagen_jax.images.files.read_nir`.
    """
    with open_image(path) as (header, file):
        pixels = header.height * header.width
        by_parts = header.page is not None and pixels > BLOCK and _has_band(header, choice)
        limit = max_pixels if max_pixels is not None else None if by_parts else MAX_PIXELS
        if limit is not None and pixels > limit:
            raise InputError(
                f"{path}: {header.height}x{header.width} pixels are more than {limit:,}; give "
                "--max-pixels if there is memory for them"
            )
        if by_parts:
            with located(path), decodable():
                return _by_parts(header, choice)
        data = file.read()
    samples = decode(data, path)
    del data  # the encoded image need not lie in memory beside a copy of the pixels
    with located(path):
        nir = nir_of(samples, choice)
        alpha = None if _alpha_itself(samples.names, choice) else samples.alpha
    return _in_memory(header, nir, alpha)


def _in_memory(
    header: Header, nir: Real[np.ndarray, "h w"], alpha: Real[np.ndarray, "h w"] | None
) -> Opened:
    with located(header.path):
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
