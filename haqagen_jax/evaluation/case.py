"""One colored image as the report shows it: reduced images and curves, not the full arrays.

Colors are sRGB-encoded, float32 in [0, 1]. Not handled: NaN.
"""

import dataclasses

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Real

from haqagen_jax.images.data_uri import jpeg
from haqagen_jax.images.levels import quantize
from haqagen_jax.images.resize import clamp_size, resize
from haqagen_jax.nir.preparation import to_unit

SIDE = 512  # pixels of the long side of what is shown
ERROR_SCALE = 0.5  # error shown in the last color of the map, the same for every image
COLORS = "magma"  # Matplotlib's color map of the error
POINTS = 64  # points of a curve
_QUALITY = 88  # of the JPEGs


@dataclasses.dataclass(frozen=True)
class Case:
    """What the report shows of one image.

    Attributes:
        name: Name of the image.
        size: (h, w) of the original, in pixels.
        nir, prediction, truth, error: JPEGs as data URIs, all of one size.
        predicted, true: Cumulative histograms of R, G and B: the share of pixels at or below each
            of `POINTS` levels that divide [0, 1] evenly, both ends included.
    """

    name: str
    size: tuple[int, int]
    nir: str
    prediction: str
    truth: str
    error: str
    predicted: Float[np.ndarray, "3 points"]
    true: Float[np.ndarray, "3 points"]


def make_case(
    name: str,
    nir: Real[np.ndarray, "h w"],
    prediction: Float[np.ndarray, "h w 3"],
    truth: Float[np.ndarray, "h w 3"],
) -> Case:
    """Reduce one image to what the report shows of it.

    Args:
        name: Name of the image.
        nir: NIR image of any type and range; shown from its minimum to its maximum.
        prediction: Predicted colors, sRGB-encoded, in [0, 1].
        truth: True colors, likewise.

    Returns:
        The case, whose images have a long side of at most `SIDE`. The error is the root mean square
        over R, G and B of the difference at each original pixel, reduced like the others: the
        difference of reduced images would hide errors of fine structure.
    """
    size = clamp_size(truth.shape[:2], SIDE)
    error = np.sqrt(np.square(prediction - truth).mean(-1, keepdims=True))
    # The color map shows 1.0 and all larger values in its last color.
    colored = mpl.colormaps[COLORS](resize(error, size)[..., 0] / ERROR_SCALE)[..., :3]
    return Case(
        name=name,
        size=truth.shape[:2],
        nir=_jpeg(np.repeat(resize(to_unit(nir)[..., None], size), 3, -1)),
        prediction=_jpeg(resize(prediction, size)),
        truth=_jpeg(resize(truth, size)),
        error=_jpeg(colored),
        predicted=_shares(prediction),
        true=_shares(truth),
    )


def _jpeg(image: Float[np.ndarray, "h w 3"]) -> str:
    return jpeg(quantize(image, np.uint8), quality=_QUALITY)


def _shares(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "3 points"]:
    # Levels have the type of the pixels, because float32(1/3) is greater than the float64 1/3.
    levels = np.linspace(0.0, 1.0, POINTS).astype(image.dtype)
    planes = np.sort(image.reshape(-1, 3), axis=0)
    return np.stack([np.searchsorted(plane, levels, "right") for plane in planes.T]) / len(planes)
