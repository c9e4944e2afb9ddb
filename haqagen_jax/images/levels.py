"""Types of stored pixels: conversion from and to [0, 1], and which types are known; any shape."""

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import DTypeLike

from haqagen_jax.errors import InputError


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


def known_depth(nir: np.ndarray) -> Real[np.ndarray, "..."]:
    """Bring an array to a type whose depth is known: uint8, uint16 or float.

    Args:
        nir: any integer or float type; floats stay as they are, but bfloat16 and the like, which
            numpy does not know, become float32. Integers other than uint8 and
            uint16 have no depth of their own: they are taken as uint8 if all values are in
            [0, 255], else as uint16.

    Returns:
        The same values and shape.

    Raises:
        InputError: booleans, complex numbers and the like; integers outside [0, 65535].
    """
    if nir.dtype in (np.uint8, np.uint16) or nir.dtype.kind == "f":
        return nir
    if nir.dtype.name.startswith(("bfloat", "float")):  # as ml_dtypes calls its own
        return nir.astype(np.float32)
    if nir.dtype.kind not in "iu":
        raise InputError(f"pixels are {nir.dtype}; give integers or floats")
    if nir.size and (nir.min() < 0 or nir.max() > 65_535):
        raise InputError(
            f"pixels are {nir.dtype} from {nir.min()} to {nir.max()}; bring them into 0 to 65535, "
            "or convert to float"
        )
    return nir.astype(np.uint8 if not nir.size or nir.max() <= 255 else np.uint16)


def output_dtype(dtype: np.dtype) -> np.dtype:
    """Return the pixel type of the colors of a NIR image.

    Args:
        dtype: Of the NIR pixels: uint8, uint16 or float.

    Returns:
        The same unsigned type, or float32.
    """
    return np.dtype(np.float32) if dtype.kind == "f" else dtype
