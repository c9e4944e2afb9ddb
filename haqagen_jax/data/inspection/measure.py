"""Measurements of one pair, and of all of them together; numpy, no files.

The shift between NIR and RGB is measured on gradient magnitudes, because gray levels differ between
the bands where edges do not.
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

BINS = 64
THUMBNAIL = 160  # pixels on the long side
ALIKE = 0.93  # correlation from where on two images are taken for one scene
_SIDE = 16  # of a look
_FLAT = 1e-4  # what rounding leaves of an image without content


class PairMeasure(NamedTuple):
    """What is known of one readable pair."""

    name: str
    split: str
    size: tuple[int, int]  # (h, w)
    depths: str  # of the NIR and the RGB image, as "uint16, uint8"
    shift: float  # pixels between NIR and RGB
    look: Float[np.ndarray, " n"]  # of the NIR image
    nir_histogram: Int[np.ndarray, " bins"]
    rgb_histogram: Int[np.ndarray, "3 bins"]


def measure(
    name: str, split: str, nir: Real[np.ndarray, "h w"], rgb: Real[np.ndarray, "h w 3"]
) -> PairMeasure:
    """Measures one pair.

    Args:
        name: of the pair.
        split: it belongs to.
        nir: any type and range, finite.
        rgb: uint8, uint16 or floats in [0, 1].

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
        look(unit),
        np.histogram(unit, BINS, (0, 1))[0],
        np.stack([np.histogram(colors[..., c], BINS, (0, 1))[0] for c in range(3)]),
    )


def registration_shift(one: Real[np.ndarray, "h w"], two: Real[np.ndarray, "h w"]) -> float:
    """Measures how far one image lies beside another, by phase correlation of their edges.

    Args:
        one: any range.
        two: the same size.

    Returns:
        Length of the translation in pixels, to about a tenth; 0 where one has no edges.

    Reference: Kuglin and Hines, "The phase correlation image alignment method" (1975); Foroosh,
    Zerubia and Berthod, "Extension of phase correlation to subpixel registration" (2002), for the
    fraction.
    """
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in one.shape))
    a, b = (np.fft.rfft2(_edges(x) * window) for x in (one, two))
    cross = a * b.conj()
    size = np.abs(cross)
    if not size.max() > 0:
        return 0.0
    peak = np.fft.irfft2(cross / np.maximum(size, 1e-9 * size.max()), one.shape)
    best = np.unravel_index(int(peak.argmax()), peak.shape)
    down, across = (_offset(peak, best, axis) for axis in (0, 1))
    return float(np.hypot(down, across))


def look(image: Real[np.ndarray, "h w"]) -> Float[np.ndarray, " n"]:
    """Describes an image in a few numbers that survive resizing, brightness and small changes.

    Args:
        image: in [0, 1].

    Returns:
        16 x 16 means without their plane of best fit, which is lighting more than content; of
        length 1, or 0 where nothing is left.
    """
    small = resize(image[..., None].astype(np.float32), (_SIDE, _SIDE)).astype(np.float64).ravel()
    y, x = np.mgrid[:_SIDE, :_SIDE] / (_SIDE - 1.0) - 0.5
    plane = np.linalg.qr(np.stack([np.ones(small.size), x.ravel(), y.ravel()], axis=1))[0]
    left = small - plane @ (plane.T @ small)
    length = np.linalg.norm(left)
    return left / length if length > _FLAT else np.zeros_like(left)


def duplicates(measures: Iterable[PairMeasure]) -> list[tuple[PairMeasure, PairMeasure]]:
    """Finds pairs that look alike although they belong to different splits.

    Args:
        measures: of all pairs.

    Returns:
        Couples of two splits whose looks correlate by `ALIKE` or more.
    """
    by_split: dict[str, list[PairMeasure]] = defaultdict(list)
    for one in measures:
        by_split[one.split].append(one)
    return [
        (left[i], right[j])
        for left, right in itertools.combinations(by_split.values(), 2)
        for i, j in np.argwhere(_looks(left) @ _looks(right).T >= ALIKE)
    ]


def _looks(measures: Sequence[PairMeasure]) -> Float[np.ndarray, "m n"]:
    return np.stack([one.look for one in measures])


def _edges(image: np.ndarray) -> np.ndarray:
    down, across = np.gradient(image.astype(np.float64)) if min(image.shape) > 1 else (0, 0 * image)
    return np.hypot(down, across)


def _offset(peak: np.ndarray, best: tuple, axis: int) -> float:
    """The peak's place along an axis: the integer, moved by the share of the higher neighbor."""
    length = peak.shape[axis]
    line = np.take(peak, best[1 - axis], axis=1 - axis)
    center = int(best[axis])
    top, before, after = line[center], line[center - 1], line[(center + 1) % length]
    side, neighbor = (1, after) if after > before else (-1, before)
    fraction = side * neighbor / (top + neighbor) if neighbor > 0 else 0.0
    whole = center - length if center > length // 2 else center
    return whole + fraction
