"""One colored image as the report shows it: reduced images and curves, nothing of the file.

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

SIDE = 512  # pixels of the long side as shown
ERROR_SCALE = 0.5  # the error that gets the last color of the map, in every image
COLORS = "magma"  # of the map
POINTS = 64  # of a curve
_QUALITY = 88  # of the JPEGs


@dataclasses.dataclass(frozen=True)
class Case:
    """What the report shows of one image.

    Attributes:
        name: of the image.
        size: (h, w) of the original, in pixels.
        nir, prediction, truth, error: JPEGs as data URIs, all of one size.
        predicted, true: of R, G and B, the share of pixels at or below each of `POINTS` levels
            that divide [0, 1] evenly, both ends included.
    """

    name: str
    size: tuple[int, int]
    nir: str
    prediction: str
    truth: str
    error: str
    predicted: Float[np.ndarray, "3 points"]
    true: Float[np.ndarray, "3 points"]


def case(
    name: str,
    nir: Real[np.ndarray, "h w"],
    prediction: Float[np.ndarray, "h w 3"],
    truth: Float[np.ndarray, "h w 3"],
) -> Case:
    """Makes the case of one image.

    Args:
        name: of the image.
        nir: any type and range; shown from its minimum to its maximum.
        prediction: sRGB-encoded, in [0, 1].
        truth: the same.

    Returns:
        Pictures with a long side of at most `SIDE`. The error is that of each original pixel, the
        root mean square over R, G and B of the difference, reduced like the others: differences of
        reduced images would hide fine ones.
    """
    size = clamp_size(truth.shape[:2], SIDE)
    error = np.sqrt(np.square(prediction - truth).mean(-1, keepdims=True))
    # The map takes 1.0, and what is more, for its last color.
    colored = mpl.colormaps[COLORS](resize(error, size)[..., 0] / ERROR_SCALE)[..., :3]
    return Case(
        name=name,
        size=truth.shape[:2],
        nir=_picture(np.repeat(resize(to_unit(nir)[..., None], size), 3, -1)),
        prediction=_picture(resize(prediction, size)),
        truth=_picture(resize(truth, size)),
        error=_picture(colored),
        predicted=_shares(prediction),
        true=_shares(truth),
    )


def _picture(image: Float[np.ndarray, "h w 3"]) -> str:
    return jpeg(quantize(image, np.uint8), quality=_QUALITY)


def _shares(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "3 points"]:
    # Levels in the type of the pixels: the float32 next to 1/3 is more than 1/3.
    levels = np.linspace(0.0, 1.0, POINTS).astype(image.dtype)
    planes = np.sort(image.reshape(-1, 3), axis=0)
    return np.stack([np.searchsorted(plane, levels, "right") for plane in planes.T]) / len(planes)
