"""Reflectances of natural and built materials in four bands, and how they vary.

Numbers are approximate band means for red (620 to 680 nm), green (520 to 580 nm), blue (440 to
500 nm) and near infrared (780 to 900 nm), read to about two digits from the kind of spectra that
these libraries hold; they are typical values, not the record of one sample:

- USGS Spectral Library Version 7 (Kokaly et al. 2017): vegetation, soils, snow, water, rocks.
- ECOSTRESS Spectral Library Version 1.0 (Meerdink et al. 2019): tree and grass canopies, bark.
- ASTER Spectral Library Version 2.0 (Baldridge et al. 2009, JPL): asphalt, concrete, brick, roofs.

Sky and cloud are radiances relative to a sunlit white diffuser. Values are linear, in [0, 1],
bands last in the order R, G, B, NIR.
"""

from enum import IntEnum

import numpy as np
from jaxtyping import Float

Bands = Float[np.ndarray, "4"]
"""One number for each of R, G, B, NIR."""


class Material(IntEnum):
    """What a pixel shows; the numbers are the labels of a painted canvas."""

    SKY = 0
    CLOUD = 1
    GRASS = 2
    FOLIAGE = 3
    CONIFER = 4
    DRY_GRASS = 5
    BARK = 6
    SOIL = 7
    SAND = 8
    WATER = 9
    ROCK = 10
    SNOW = 11
    ASPHALT = 12
    CONCRETE = 13
    BRICK = 14
    ROOF_TILE = 15
    SLATE = 16
    PLASTER = 17
    GLASS = 18
    PAINTED_WOOD = 19


# R, G, B, NIR, then the spread of brightness and the spread of each band around it (both relative).
_TABLE: dict[Material, tuple[float, float, float, float, float, float]] = {
    Material.SKY: (0.10, 0.22, 0.50, 0.05, 0.08, 0.05),
    Material.CLOUD: (0.92, 0.93, 0.94, 0.88, 0.03, 0.01),
    Material.GRASS: (0.070, 0.112, 0.038, 0.48, 0.15, 0.11),
    Material.FOLIAGE: (0.050, 0.086, 0.029, 0.47, 0.20, 0.14),
    Material.CONIFER: (0.030, 0.052, 0.024, 0.32, 0.15, 0.08),
    Material.DRY_GRASS: (0.30, 0.235, 0.135, 0.44, 0.15, 0.06),
    Material.BARK: (0.145, 0.115, 0.085, 0.31, 0.20, 0.05),
    Material.SOIL: (0.185, 0.130, 0.085, 0.27, 0.25, 0.07),
    Material.SAND: (0.31, 0.25, 0.175, 0.40, 0.12, 0.05),
    Material.WATER: (0.022, 0.040, 0.040, 0.006, 0.20, 0.15),
    Material.ROCK: (0.30, 0.275, 0.245, 0.35, 0.20, 0.05),
    Material.SNOW: (0.92, 0.93, 0.94, 0.82, 0.03, 0.01),
    Material.ASPHALT: (0.115, 0.108, 0.098, 0.135, 0.20, 0.03),
    Material.CONCRETE: (0.37, 0.345, 0.305, 0.41, 0.15, 0.03),
    Material.BRICK: (0.31, 0.145, 0.100, 0.41, 0.15, 0.08),
    Material.ROOF_TILE: (0.35, 0.165, 0.100, 0.46, 0.15, 0.08),
    Material.SLATE: (0.115, 0.118, 0.125, 0.145, 0.20, 0.04),
    Material.PLASTER: (0.72, 0.67, 0.56, 0.76, 0.08, 0.06),
    Material.GLASS: (0.055, 0.065, 0.075, 0.050, 0.30, 0.05),
    Material.PAINTED_WOOD: (0.22, 0.12, 0.075, 0.42, 0.30, 0.25),
}


def mean_reflectance(material: Material) -> Bands:
    """Return the typical reflectance of a material.

    Args:
        material: Which one.

    Returns:
        R, G, B, NIR in [0, 1], float32, shape (4,).

    Reference:
        The libraries named at the head of this module; approximate band means.
    """
    return np.array(_TABLE[material][:4], np.float32)


def sample_reflectance(rng: np.random.Generator, material: Material) -> Bands:
    """Draw one specimen of a material: brighter or darker, slightly tinted.

    Args:
        rng: Source of the draw.
        material: Which one.

    Returns:
        R, G, B, NIR in [0, 1], float32, shape (4,).
    """
    *bands, brightness, tint = _TABLE[material]
    factors = (1 + brightness * _symmetric(rng, 1)) * (1 + tint * _symmetric(rng, 4))
    return np.clip(np.array(bands) * factors, 0, 1).astype(np.float32)


def _symmetric(rng: np.random.Generator, count: int) -> Float[np.ndarray, " n"]:
    """Draw numbers in (-1, 1), most of them near zero."""
    return rng.random((count, 2)) @ np.array([1.0, 1.0]) - 1
