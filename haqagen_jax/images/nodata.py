"""Pixels that hold no data, as numpy's masked arrays: one notion for every file and array.

Nothing is known of a pixel that has the file's nodata value, that is NaN or infinite, that a mask
or an alpha of zero takes out, or whose part of a sparse file is missing. Images without such pixels
are plain arrays.
"""

import math
from typing import NamedTuple

import numpy as np
import tifffile
from jaxtyping import Bool, Real, Shaped

TAG = 42113  # GDAL_NODATA, a number as text


class Tag(NamedTuple):
    """The tag GDAL_NODATA."""

    value: int | float
    text: str


def read_tag(page: tifffile.TiffPage) -> Tag | None:
    """Read the value that stands for no data.

    Args:
        page: The image of a TIFF.

    Returns:
        The number of the tag and its text; None where there is no tag, no number in it, or one that
        no pixel of the image can have.
    """
    words = str(page.tags.valueof(TAG, default="")).strip("\0 \t\n").split()
    for number in (int, float):
        try:
            value = number(words[0])
            float(value)
        except (ValueError, IndexError, OverflowError):  # also integers beyond all floats
            continue
        return None if fitting(value, np.dtype(page.dtype)) is None else Tag(value, words[0])
    return None


def mark_of(page: tifffile.TiffPage) -> Tag | None:
    """Return the value by which an image marks pixels without data, or may mark them.

    Args:
        page: The image of a TIFF.

    Returns:
        The tag; 0 for sparse files without one, whose missing parts other programs show as 0. None
        if the image has neither.
    """
    return read_tag(page) or (Tag(0, "0") if 0 in page.databytecounts else None)


def fitting(value: int | float, dtype: np.dtype) -> int | float | None:
    """Bring a nodata value to a type of pixels.

    Args:
        value: As the tag has it.
        dtype: Integers or floats.

    Returns:
        The value that pixels of this type can have; None for one that they cannot have, as -9999
        of 8 bits: no pixel is meant by it. A float beyond the type's range becomes infinite.
    """
    if dtype.kind not in "iuf":
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.asarray(value, np.float64).astype(dtype))
    if not math.isfinite(value) or value != int(value):
        return None
    limits = np.iinfo(dtype)
    return int(value) if limits.min <= value <= limits.max else None


def mask(
    pixels: Shaped[np.ndarray, "*shape"],
    tag: Tag | None = None,
    taken_out: Bool[np.ndarray, "*shape"] | None = None,
) -> Shaped[np.ndarray, "*shape"]:
    """Mask what holds no data.

    Args:
        pixels: Of any type; what is masked already stays so.
        tag: The nodata value.
        taken_out: True for further pixels without data.

    Returns:
        The pixels: a masked array where any is masked, else a plain one.
    """
    data, masked = np.ma.getdata(pixels), np.ma.getmask(pixels)
    parts = [] if masked is np.ma.nomask else [masked]
    if taken_out is not None:
        parts.append(taken_out)
    value = None if tag is None else fitting(tag.value, data.dtype)
    if value is not None:
        parts.append(data == value)
    if data.dtype.kind == "f":
        parts.append(~np.isfinite(data))
    missing = np.logical_or.reduce(parts) if parts else np.zeros((), bool)
    return np.ma.masked_array(data, missing) if missing.any() else data


def has_data(pixels: Real[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    """Tell which pixels hold data.

    Args:
        pixels: Plain or masked.

    Returns:
        True for each pixel that is not masked.
    """
    return ~np.ma.getmaskarray(pixels)


def valid(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels that hold data.

    Args:
        pixels: Plain or masked.

    Returns:
        A plain array: the image itself, or the valid pixels of a masked one in a row.
    """
    return pixels.compressed() if isinstance(pixels, np.ma.MaskedArray) else pixels
