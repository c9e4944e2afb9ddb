"""A NIR image as the network wants it: histogram equalization, then min-max, over the whole image.

Input: (h, w), uint8, uint16 or float, any range. Output: float32 in [0, 1]. numpy only, so that
training and inference share it. Not handled here: colour images, batches, images larger than
memory. `haqagen_jax.ops.histogram.equalize` is the same equalization inside `jit`.
"""

import math

import numpy as np
from jaxtyping import Float, Integer, Real

from haqagen_jax.errors import InputError

FLOAT_LEVELS = 65_536  # a float image is equalized as if it had 16 bits


def prepare_nir(
    image: Real[np.ndarray, "h w"],
    *,
    equalize: bool,
    percentiles: tuple[float, float] = (0.0, 100.0),
) -> Float[np.ndarray, "h w 1"]:
    """Bring one NIR image to [0, 1].

    Args:
        image: (h, w); uint8, uint16 or float of any range.
        equalize: equalize the histogram at the image's own depth before min-max.
        percentiles: what becomes 0 and 1, each in [0, 100]; (0, 100) is plain min-max.

    Returns:
        float32 (h, w, 1). A single pixel has no range: it becomes its level over the type's
        maximum (float: clipped to [0, 1]).

    Raises:
        InputError: no pixels, another type, NaN or infinity, or an image of one value only.

    Reference: Sec. 4.1, preprocessing; 65,536 levels for 16 bits are our reading.
    """
    _check(image)
    if image.size == 1:
        return _single_pixel(image)[..., None]
    if image.min() == image.max():
        raise InputError(
            f"all {image.size} pixels have the value {image.flat[0]}, which holds no picture; "
            "give an image with contrast"
        )
    if equalize:
        image = _equalize_any(image)
        if percentiles == (0.0, 100.0):  # which equalization reaches already
            return image[..., None]
    return to_unit(image, *percentiles)[..., None]


def equalize(image: Integer[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Spread the grey levels of an integer image so that their distribution is even.

    Args:
        image: uint8 (256 levels) or uint16 (65,536 levels), any shape with at least one pixel.

    Returns:
        float32 of the same shape, (cdf(v) - cdf_min) / (n - cdf_min): the darkest level present
        becomes 0, the brightest 1. A constant image becomes 0.

    Raises:
        InputError: another integer type.

    Reference: Gonzalez and Woods, Digital Image Processing, Sec. 3.3.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"equalization is for uint8 and uint16, not {image.dtype}; convert first")
    cdf = np.cumsum(np.bincount(image.ravel(), minlength=np.iinfo(image.dtype).max + 1))
    darkest = cdf[image.min()]
    span = max(int(cdf[-1] - darkest), 1)
    table = ((cdf - darkest) / span).astype(np.float32)
    return np.take(table, image, mode="clip")  # every level is in the table: no need to check


def to_unit(
    image: Real[np.ndarray, "*shape"], low: float = 0.0, high: float = 100.0
) -> Float[np.ndarray, "*shape"]:
    """Map the range between two percentiles of an image to [0, 1], clipping what lies outside.

    Args:
        image: any finite numbers, at least one.
        low: percentile that becomes 0, in [0, 100].
        high: percentile that becomes 1, above `low`, at most 100.

    Returns:
        float32 of the same shape. An image of one value becomes 0.

    Raises:
        InputError: the percentiles are out of order, or an image with contrast has none between.
    """
    if not 0.0 <= low < high <= 100.0:
        raise InputError(f"percentiles {low} and {high} must satisfy 0 <= low < high <= 100")
    # float64: the difference of two float32 extremes may overflow, and 16 bits must stay apart.
    image = image.astype(np.float64)
    if math.isinf(float(image.max()) - float(image.min())):
        image *= 0.5  # even the difference of two float64 extremes; halves have the same place
    bottom, top = _range(image, low, high)
    if bottom == top:
        if image.min() != image.max():
            raise InputError(
                f"percentiles {low} and {high} of the image are both {bottom}; widen them"
            )
        return np.zeros(image.shape, np.float32)
    # Clipped first: what lies far outside of a narrow range would overflow in the division.
    return ((np.clip(image, bottom, top) - bottom) / (top - bottom)).astype(np.float32)


def _range(image: np.ndarray, low: float, high: float) -> tuple[float, float]:
    if (low, high) == (0.0, 100.0):  # percentiles sort; the extremes need not
        return float(image.min()), float(image.max())
    bottom, top = np.percentile(image, [low, high])
    return float(bottom), float(top)


def _equalize_any(image: np.ndarray) -> np.ndarray:
    if not np.issubdtype(image.dtype, np.integer):
        image = np.rint(to_unit(image) * np.float32(FLOAT_LEVELS - 1)).astype(np.uint16)
    return equalize(image)


def _single_pixel(image: np.ndarray) -> np.ndarray:
    if np.issubdtype(image.dtype, np.integer):
        return (image / np.iinfo(image.dtype).max).astype(np.float32)
    return np.clip(image, 0.0, 1.0).astype(np.float32)


def _check(image: np.ndarray) -> None:
    if image.size == 0:
        raise InputError(f"the image has shape {image.shape}: no pixels; give at least one")
    if np.issubdtype(image.dtype, np.integer):
        if image.dtype not in (np.uint8, np.uint16):
            raise InputError(
                f"pixels are {image.dtype}; give uint8, uint16 or float (convert with its scale)"
            )
        return
    bad = int(image.size - np.count_nonzero(np.isfinite(image)))
    if bad:
        raise InputError(
            f"{bad} of {image.size} pixels are NaN or infinite; replace them by valid values"
        )
