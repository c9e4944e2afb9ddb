"""Crop a pair to the part in which both of its images hold data; numpy alone, no files.

Losses, scores and the preparation of a NIR image look at all pixels of a pair, so none may be
without data. Of a mosaic's border or a cloud mask a rectangle remains that has none.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Real

from haqagen_jax.errors import InputError
from haqagen_jax.images.nodata import has_data
from haqagen_jax.images.resize import Window

# Pixels: a part with a shorter side is a strip beside a border, in which neither a network nor the
# 7x7 window of SSIM sees a structure.
LEAST = 16


class Cut(NamedTuple):
    """What a pair was cropped to.

    Attributes:
        window: The part that is left, in pixels of the images.
        size: (h, w) of the images.
        missing: Number of pixels without data in the NIR and in the color image.
    """

    window: Window
    size: tuple[int, int]
    missing: tuple[int, int]

    def __str__(self) -> str:
        (h, w), part = self.size, self.window
        left_out = 1 - part.height * part.width / (h * w)
        return f"{w}x{h} cropped to {part.width}x{part.height}, {100 * left_out:.3g} % left out"


def largest_rectangle(valid: Bool[np.ndarray, "h w"], least: int = 1) -> Window | None:
    """Find the largest rectangle of true values. Deterministic: the first of equals.

    Args:
        valid: Any size.
        least: The least height and width of the rectangle.

    Returns:
        The rectangle; None if there is none of that size.

    Reference: the method of heights, row by row: above each pixel stands a column of true values,
        and a rectangle of that height reaches as far to both sides as all rows of the column allow.
    """
    columns = valid.shape[1]
    index = np.arange(columns)
    heights, best, found = np.zeros(columns, np.int64), 0, None
    lefts, rights = np.zeros(columns, np.int64), np.full(columns, columns)
    for row, here in enumerate(valid):
        heights = np.where(here, heights + 1, 0)
        # First and one past the last column of this row's run of true values around each pixel.
        left = np.maximum.accumulate(np.where(here, 0, index + 1))
        right = np.minimum.accumulate(np.where(here, columns, index)[::-1])[::-1]
        lefts = np.where(here, np.maximum(lefts, left), 0)
        rights = np.where(here, np.minimum(rights, right), columns)
        widths = rights - lefts
        areas = np.where((heights >= least) & (widths >= least), heights * widths, 0)
        at = int(areas.argmax()) if columns else 0
        if columns and areas[at] > best:
            best = int(areas[at])
            height, width = int(heights[at]), int(widths[at])
            found = Window(row + 1 - height, int(lefts[at]), height, width)
    return found


def crop_to_data(
    nir: Real[np.ndarray, "h w"], rgb: Real[np.ndarray, "h w 3"]
) -> tuple[Real[np.ndarray, "h2 w2"], Real[np.ndarray, "h2 w2 3"], Cut | None]:
    """Crop both images of a pair to the largest rectangle in which both hold data everywhere.

    Args:
        nir: NIR image; masked where it holds no data.
        rgb: Color image, likewise.

    Returns:
        Plain arrays, and what was cut; the images themselves and None where nothing is masked.

    Raises:
        InputError: No such rectangle of `LEAST` pixels a side. The message names no file.
    """
    images = nir, rgb
    if not any(isinstance(image, np.ma.MaskedArray) for image in images):
        return nir, rgb, None
    in_nir, in_rgb = has_data(nir), has_data(rgb).all(-1)
    missing = int((~in_nir).sum()), int((~in_rgb).sum())
    if not any(missing):  # masked arrays of which nothing is masked
        return np.ma.getdata(nir), np.ma.getdata(rgb), None
    window = largest_rectangle(in_nir & in_rgb, LEAST)
    if window is None:
        raise InputError(
            f"{missing[0]} of {nir.size} pixels hold no data, nor do {missing[1]} of the color "
            f"image, and no part of {LEAST}x{LEAST} pixels holds data in both; replace the pair, "
            "or take it out"
        )
    top, left, height, width = window
    part = np.s_[top : top + height, left : left + width]
    # Copies, so that a small part does not keep the whole image in memory.
    cropped = [np.ascontiguousarray(np.ma.getdata(image)[part]).copy() for image in images]
    return cropped[0], cropped[1], Cut(window, (nir.shape[0], nir.shape[1]), missing)
