"""Between [0, 1] and the levels of stored pixels; numpy, any shape."""

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import DTypeLike


def from_levels(image: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Bring pixels as they are stored to float32.

    Args:
        image: unsigned integers, or floats.

    Returns:
        float32 of the same shape: integers over their type's maximum, in [0, 1]; floats as they
        are.
    """
    return (image / full_scale(image.dtype)).astype(np.float32, copy=False)


def full_scale(dtype: np.dtype) -> np.float32:
    """Return what stands for 1 in a type of stored pixels.

    Args:
        dtype: unsigned integers, or floats.

    Returns:
        The type's maximum; 1 for floats.
    """
    return np.float32(np.iinfo(dtype).max if dtype.kind == "u" else 1)


def quantize(image: Float[np.ndarray, "*shape"], dtype: DTypeLike) -> Real[np.ndarray, "*shape"]:
    """Bring values to a type of stored pixels.

    Args:
        image: values are clipped to [0, 1].
        dtype: uint8 or uint16 (rounded to the nearest of their levels), or float32.

    Returns:
        The same shape.
    """
    dtype, image = np.dtype(dtype), np.clip(image, 0.0, 1.0)
    if dtype.kind == "u":  # in place: rows of a large image are many
        np.rint(np.multiply(image, full_scale(dtype), out=image), out=image)
    return image.astype(dtype, copy=False)
