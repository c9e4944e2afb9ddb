"""Resample images on the CPU: cubic with antialiasing, whole or by rows, and bilinear by rows."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Real
from PIL import Image

from haqagen_jax.images.levels import from_levels, full_scale

_TAPS = 2  # radius of the cubic filter, in pixels of the smaller image
_BLOCK = 1 << 20  # pixels that are reduced at once,
_FEWEST = 64  # but at least so many rows, where they are narrow
_LEAST = 0.25  # share of a reduced pixel that must hold data


class Window(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


def clamp_size(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """Compute the size of an image whose long side may not exceed a limit.

    Args:
        size: (h, w), each at least 1.
        limit: longest side allowed, in pixels.

    Returns:
        (h, w) with the aspect kept to the pixel, each at least 1; `size` itself if it fits.

    Reference: Sec. 4.1, "long-side clamp".
    """
    long = max(size)
    if long <= limit:
        return size
    h, w = (max(1, round(side * limit / long)) for side in size)
    return h, w


def resize(
    image: Real[np.ndarray, "h w c"], size: tuple[int, int], window: Window | None = None
) -> Float[np.ndarray, "h2 w2 c"]:
    """Resize with an antialiasing cubic filter, every channel alike; the whole, or a part of it.

    Args:
        image: uint8, uint16, or float32 in [0, 1].
        size: (h, w) of the whole result.
        window: which part of the result to compute, within `size`; all of it by default.

    Returns:
        float32 in [0, 1]; the filter's overshoots are clipped.
    """
    top, left, h, w = window or Window(0, 0, *size)
    if image.shape[:2] == size:
        return from_levels(image[top : top + h, left : left + w])
    rows = _span(top, h, image.shape[0], size[0])
    columns = _span(left, w, image.shape[1], size[1])
    part = image[rows.pixels, columns.pixels]
    box = (columns.start, rows.start, columns.stop, rows.stop)
    out = np.empty((h, w, image.shape[2]), np.float32)
    for c in range(image.shape[2]):
        plane = Image.fromarray(part[..., c].astype(np.float32))
        out[..., c] = np.asarray(plane.resize((w, h), Image.Resampling.BICUBIC, box))
    out /= full_scale(image.dtype)
    return np.clip(out, 0.0, 1.0, out=out)


def enlarge(
    image: Float32[np.ndarray, "rows w c"],
    size: tuple[int, int],
    *,
    first: int,
    height: int,
    start: int,
    stop: int,
) -> Float32[np.ndarray, "n w2 c"]:
    """Compute some rows of an image that is enlarged bilinearly; nothing is clipped.

    Args:
        image: float32, those rows of the small image that are needed.
        size: (h, w) of the whole result, at least that of the small image.
        first: the row of the small image that `image` begins with.
        height: of the whole small image.
        start: the first row wanted of the result.
        stop: the one after the last.

    Returns:
        float32, (stop - start, w, c), interpolated between the centers of the small image's
        pixels; at the border the nearest pixel counts.
    """
    if size == (height, image.shape[1]):
        return image[start - first : stop - first]
    scale = height / size[0]
    low = max(0, math.floor((start + 0.5) * scale - 0.5))
    high = min(height - 1, math.floor((stop - 0.5) * scale - 0.5) + 1)
    part = image[low - first : high + 1 - first]
    box = (0, start * scale - low, image.shape[1], min(stop * scale - low, len(part)))
    out = np.empty((stop - start, size[1], image.shape[2]), np.float32)
    for c in range(image.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(part[..., c]))
        shape = size[1], stop - start
        out[..., c] = np.asarray(plane.resize(shape, Image.Resampling.BILINEAR, box))
    return out


class _Span(NamedTuple):
    """What part of a line of pixels is read, and where in that part the wanted one lies."""

    pixels: slice
    start: float
    stop: float


def _span(start: int, length: int, before: int, after: int) -> _Span:
    scale = before / after
    reach = _TAPS * max(1.0, scale)
    first = max(0, math.floor(start * scale - reach))
    last = min(before, math.ceil((start + length) * scale + reach))
    stop = min((start + length) * scale, before)  # rounding must not lead outside
    return _Span(slice(first, last), start * scale - first, stop - first)


def reduce(
    rows: Callable[[int, int], Float[np.ndarray, "n w"]],
    before: tuple[int, int],
    after: tuple[int, int],
    *,
    start: int,
    stop: int,
) -> Float[np.ndarray, "n2 w2"]:
    """Compute some rows of a reduced image, as `resize` does those of one in memory.

    Args:
        rows: returns the rows of the image from its first argument to before its second, float32
            in [0, 1], NaN where the image holds no data; called from above.
        before: (h, w) of the image.
        after: (h, w) of the whole result.
        start: the first row wanted of the result.
        stop: the one after the last.

    Returns:
        float32 in [0, 1], (stop - start, w): what each pixel's share of the image with data gives;
        NaN where that is less than a quarter.
    """
    first, weights = _cubic(before[0], after[0], start, stop)
    taps = weights.shape[1]
    last = min(before[0], int(first[-1]) + taps)
    step = max(1, min(_BLOCK // before[1], max(taps, _FEWEST)))
    total = np.zeros((stop - start, after[1]))
    without: np.ndarray | None = None  # the share of each pixel that holds no data
    for top in range(int(first[0]), last, step):
        block = rows(top, min(top + step, last))
        # The weight of each of these rows in each row of the result that it reaches.
        reached = slice(*np.searchsorted(first, (top - taps + 1, top + len(block))))
        tap = np.arange(top, top + len(block)) - first[reached, None]
        inside = (tap >= 0) & (tap < taps)
        share = np.take_along_axis(weights[reached], np.where(inside, tap, 0), 1) * inside
        gaps = np.isnan(block)
        if gaps.any():
            without = np.zeros_like(total) if without is None else without
            without[reached] += share @ _narrowed(gaps.astype(np.float32), after[1])
            block = np.where(gaps, np.float32(0), block)
        total[reached] += share @ _narrowed(block, after[1])
    if without is not None:
        known = 1 - without
        total = np.where(known < _LEAST, np.nan, total / np.maximum(known, _LEAST))
    return np.clip(total, 0.0, 1.0).astype(np.float32)


def _narrowed(block: Float32[np.ndarray, "n w"], width: int) -> Float[np.ndarray, "n w2"]:
    size = width, len(block)
    return np.asarray(Image.fromarray(block).resize(size, Image.Resampling.BICUBIC), np.float64)


def _cubic(before: int, after: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first input pixel, and the weights from it on, of some pixels of the result.

    Reference: Keys, "Cubic convolution interpolation for digital image processing" (1981), a =
        -1/2, widened by the factor of a reduction.
    """
    scale = before / after
    wide = max(1.0, scale)
    center = (np.arange(start, stop) + 0.5) * scale
    first = np.maximum(0, np.floor(center - _TAPS * wide + 0.5)).astype(int)
    last = np.minimum(before, np.floor(center + _TAPS * wide + 0.5)).astype(int)
    positions = first[:, None] + np.arange((last - first).max())
    x = np.abs(positions + 0.5 - center[:, None]) / wide
    inner, outer = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, inner, np.where(x < 2, outer, 0.0)) * (positions < last[:, None])
    return first, weights / weights.sum(1, keepdims=True)
