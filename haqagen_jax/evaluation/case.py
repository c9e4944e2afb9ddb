"""One coloured picture as the report shows it: small, and complete in itself."""

import dataclasses
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Real

from haqagen_jax.data_uri import jpeg
from haqagen_jax.levels import quantize
from haqagen_jax.preprocess import to_unit
from haqagen_jax.scaling import clamp_size, resize

SIDE = 512  # pixels of the long side as shown
ERROR_SCALE = 0.5  # the error that has the last colour of the map
COLOURS = "magma"  # of the map
POINTS = 64  # of a curve
_QUALITY = 88


@dataclasses.dataclass(frozen=True)
class Case:
    """A picture of the report.

    Attributes:
        name: of the pair.
        size: (h, w) of the files, pixels.
        nir, prediction, truth, error: JPEGs as data URIs, all of one size.
        predicted, true: of R, G and B, the share of pixels up to each of `POINTS` levels from 0
            to 1.
    """

    name: str
    size: tuple[int, int]
    nir: str
    prediction: str
    truth: str
    error: str
    predicted: Sequence[Sequence[float]]
    true: Sequence[Sequence[float]]


def case(
    name: str,
    nir: Real[np.ndarray, "h w"],
    prediction: Float[np.ndarray, "h w 3"],
    truth: Float[np.ndarray, "h w 3"],
) -> Case:
    """Makes a case.

    Args:
        name: of the pair.
        nir: any type and range; shown from its minimum to its maximum.
        prediction: sRGB-encoded, in [0, 1].
        truth: the same.

    Returns:
        Its pictures, reduced to a long side of `SIDE`; the error is the root mean square over R, G
        and B of the difference of the reduced pictures.
    """
    height, width = nir.shape
    size = clamp_size((height, width), SIDE)
    grey = np.repeat(resize(to_unit(nir)[..., None], size), 3, -1)
    ours, theirs = resize(prediction, size), resize(truth, size)
    error = np.sqrt(np.square(ours - theirs).mean(-1)) / ERROR_SCALE
    # The colormap takes 1.0 for its end, and clips what is more.
    shown = mpl.colormaps[COLOURS](error)[..., :3].astype(np.float32)
    return Case(
        name=name,
        size=(height, width),
        nir=_picture(grey),
        prediction=_picture(ours),
        truth=_picture(theirs),
        error=_picture(shown),
        predicted=_cumulative(prediction),
        true=_cumulative(truth),
    )


def _picture(image: Float[np.ndarray, "h w 3"]) -> str:
    return jpeg(quantize(image, np.uint8), quality=_QUALITY)


def _cumulative(image: Float[np.ndarray, "h w 3"]) -> list[list[float]]:
    levels = np.linspace(0.0, 1.0, POINTS)
    shares = []
    for channel in range(3):
        ordered = np.sort(image[..., channel], axis=None)
        below = np.searchsorted(ordered, levels.astype(ordered.dtype), side="right")
        shares.append((below / ordered.size).round(4).tolist())
    return shares
