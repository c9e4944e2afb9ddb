"""Measure pairs, one by one and all of them together; pure numpy, no files.

The shift between NIR and RGB is measured on gradient magnitudes, because gray levels differ between
the bands while edges do not.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from haqagen_jax.images.levels import from_levels
from haqagen_jax.images.resize import resize
from haqagen_jax.nir.preparation import to_unit

BINS = 64  # of a histogram
THUMBNAIL = 160  # pixels on the long side
ALIKE = 0.93  # correlation of descriptors from which on two images count as one scene
_SIDE = 16  # pixels on a side of the reduced image that a descriptor is made of
_FLAT = 1e-4  # norm below which a descriptor is nothing but rounding


class PairMeasure(NamedTuple):
    """Measurements of one readable pair."""

    name: str
    split: str
    size: tuple[int, int]  # (h, w)
    depths: str  # types of the NIR and the RGB image, as "uint16, uint8"
    shift: float  # pixels between NIR and RGB
    descriptor: Float[np.ndarray, " n"]  # of the NIR image
    nir_histogram: Int[np.ndarray, " bins"]
    rgb_histogram: Int[np.ndarray, "3 bins"]


def measure(
    name: str, split: str, nir: Real[np.ndarray, "h w"], rgb: Real[np.ndarray, "h w 3"]
) -> PairMeasure:
    """Measure one pair.

    Args:
        name: Name of the pair.
        split: Split that it belongs to.
        nir: NIR image of any type and range, finite.
        rgb: Color image, uint8, uint16 or floats in [0, 1].

    Returns:
        The measurements.
    """
    unit, colors = to_unit(nir), from_levels(rgb)
    return PairMeasure(
        name,
        split,
        (nir.shape[0], nir.shape[1]),
        f"{nir.dtype}, {rgb.dtype}",
        registration_shift(unit, colors.mean(-1)),
        describe(unit),
        np.histogram(unit, BINS, (0, 1))[0],
        np.stack([np.histogram(colors[..., c], BINS, (0, 1))[0] for c in range(3)]),
    )


def registration_shift(image: Real[np.ndarray, "h w"], reference: Real[np.ndarray, "h w"]) -> float:
    """Measure the translation between two images by phase correlation of their edges.

    Args:
        image: An image of any range.
        reference: An image of the same size, of any range.

    Returns:
        Length of the translation in pixels, to about a tenth; 0 where an image has no edges.

    Reference: Kuglin and Hines, "The phase correlation image alignment method" (1975); Foroosh,
    Zerubia and Berthod, "Extension of phase correlation to subpixel registration" (2002), for the
    fraction.
    """
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in image.shape))
    a, b = (np.fft.rfft2(_edges(x) * window) for x in (image, reference))
    cross = a * b.conj()
    magnitude = np.abs(cross)
    if not magnitude.max() > 0:
        return 0.0
    normalized = cross / np.maximum(magnitude, 1e-9 * magnitude.max())
    correlation = np.fft.irfft2(normalized, image.shape)
    peak = np.unravel_index(int(correlation.argmax()), correlation.shape)
    down, across = (_offset(correlation, peak, axis) for axis in (0, 1))
    return float(np.hypot(down, across))


def describe(image: Real[np.ndarray, "h w"]) -> Float[np.ndarray, " n"]:
    """Describe an image by a unit vector that survives resizing, brightness and small changes.

    Args:
        image: Image in [0, 1].

    Returns:
        256 numbers: 16 x 16 means without their plane of best fit, which is lighting more than
        content; of norm 1, or 0 where nothing is left.
    """
    small = resize(image[..., None].astype(np.float32), (_SIDE, _SIDE)).astype(np.float64).ravel()
    y, x = np.mgrid[:_SIDE, :_SIDE] / (_SIDE - 1.0) - 0.5
    plane = np.linalg.qr(np.stack([np.ones(small.size), x.ravel(), y.ravel()], axis=1))[0]
    residual = small - plane @ (plane.T @ small)
    norm = np.linalg.norm(residual)
    return residual / norm if norm > _FLAT else np.zeros_like(residual)


def duplicates(measures: Iterable[PairMeasure]) -> list[tuple[PairMeasure, PairMeasure]]:
    """Find pairs that look alike although they belong to different splits.

    Args:
        measures: Measurements of all pairs.

    Returns:
        Couples of pairs of two splits whose descriptors correlate by `ALIKE` or more.
    """
    by_split: dict[str, list[PairMeasure]] = defaultdict(list)
    for pair in measures:
        by_split[pair.split].append(pair)
    return [
        (left[i], right[j])
        for left, right in itertools.combinations(by_split.values(), 2)
        for i, j in np.argwhere(_descriptors(left) @ _descriptors(right).T >= ALIKE)
    ]


def _descriptors(measures: Sequence[PairMeasure]) -> Float[np.ndarray, "m n"]:
    return np.stack([pair.descriptor for pair in measures])


def _edges(image: np.ndarray) -> np.ndarray:
    down, across = np.gradient(image.astype(np.float64)) if min(image.shape) > 1 else (0, 0 * image)
    return np.hypot(down, across)


def _offset(correlation: np.ndarray, peak: tuple, axis: int) -> float:
    """Locate the peak along an axis: its index, moved by the share of the higher neighbor."""
    length = correlation.shape[axis]
    line = np.take(correlation, peak[1 - axis], axis=1 - axis)
    center = int(peak[axis])
    top, before, after = line[center], line[center - 1], line[(center + 1) % length]
    side, neighbor = (1, after) if after > before else (-1, before)
    fraction = side * neighbor / (top + neighbor) if neighbor > 0 else 0.0
    whole = center - length if center > length // 2 else center
    return whole + fraction
