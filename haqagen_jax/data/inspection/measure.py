"""Measurements of one pair, and of all of them together; numpy, no files.

The shift between NIR and RGB is measured on gradient magnitudes, because grey levels differ between
the bands where edges do not.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real

from haqagen_jax.levels import from_levels

BINS = 64
THUMBNAIL = 160  # pixels on the long side
_SIDE = 8  # of a fingerprint
_NEAR = 4  # of 64 bits, where two fingerprints are called alike


class PairMeasure(NamedTuple):
    """What is known of one readable pair."""

    name: str
    split: str
    size: tuple[int, int]  # (h, w)
    depths: str  # of the NIR and the RGB image, as "uint16, uint8"
    shift: float  # pixels between NIR and RGB
    fingerprint: int  # 64 bits of the NIR image's look
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
    unit, colours = _unit(nir), from_levels(rgb)
    return PairMeasure(
        name,
        split,
        (nir.shape[0], nir.shape[1]),
        f"{nir.dtype}, {rgb.dtype}",
        registration_shift(unit, colours.mean(-1)),
        fingerprint(unit),
        np.histogram(unit, BINS, (0, 1))[0],
        np.stack([np.histogram(colours[..., c], BINS, (0, 1))[0] for c in range(3)]),
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


def fingerprint(image: Real[np.ndarray, "h w"]) -> int:
    """Describes the look of an image in 64 bits that survive resizing and small changes.

    Args:
        image: any range.

    Returns:
        A bit for each of 8 x 8 neighbouring pairs of blocks: is the right one brighter?

    Reference: the difference hash of Krawetz, "Kind of like that" (2013).
    """
    rows = np.array_split(np.arange(image.shape[0]), min(_SIDE, image.shape[0]))
    columns = np.array_split(np.arange(image.shape[1]), min(_SIDE + 1, image.shape[1]))
    blocks = np.array([[image[np.ix_(r, c)].mean() for c in columns] for r in rows])
    bits = (np.diff(blocks, axis=1) > 0).ravel()
    return int("".join("1" if bit else "0" for bit in bits) or "0", 2)


def duplicates(measures: Iterable[PairMeasure]) -> list[tuple[PairMeasure, PairMeasure]]:
    """Finds pairs that look alike although they belong to different splits.

    Args:
        measures: of all pairs.

    Returns:
        Couples whose fingerprints differ in at most 4 of 64 bits, of two splits.
    """
    by_split: dict[str, list[PairMeasure]] = defaultdict(list)
    for one in measures:
        by_split[one.split].append(one)
    splits = list(by_split.values())
    return [
        (one, two)
        for i, left in enumerate(splits)
        for right in splits[i + 1 :]
        for one in left
        for two in right
        if (one.fingerprint ^ two.fingerprint).bit_count() <= _NEAR
    ]


def _unit(image: np.ndarray) -> Float[np.ndarray, "h w"]:
    wide = image.astype(np.float64)
    span = wide.max() - wide.min()
    return (wide - wide.min()) / (span if span > 0 else 1.0)


def _edges(image: np.ndarray) -> np.ndarray:
    down, across = np.gradient(image.astype(np.float64)) if min(image.shape) > 1 else (0, 0 * image)
    return np.hypot(down, across)


def _offset(peak: np.ndarray, best: tuple, axis: int) -> float:
    """The peak's place along an axis: the integer, moved by the share of the higher neighbour."""
    length = peak.shape[axis]
    line = np.take(peak, best[1 - axis], axis=1 - axis)
    centre = int(best[axis])
    top, before, after = line[centre], line[centre - 1], line[(centre + 1) % length]
    side, neighbour = (1, after) if after > before else (-1, before)
    fraction = side * neighbour / (top + neighbour) if neighbour > 0 else 0.0
    whole = centre - length if centre > length // 2 else centre
    return whole + fraction
