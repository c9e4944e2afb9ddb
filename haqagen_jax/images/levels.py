"""Types of stored pixels: conversion from and to [0, 1], and which types are known; any shape."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Real, Shaped
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


def full_depth(image: Shaped[np.ndarray, "*shape"], bits: int) -> Shaped[np.ndarray, "*shape"]:
    """Scale pixels of fewer bits than their type, as 12 of 16, to the full range of the type.

    Args:
        image: Unsigned integers or booleans, plain or masked; others stay as they are.
        bits: Of a stored pixel.

    Returns:
        The same shape; uint8 for booleans, else the same type.
    """
    if image.dtype == bool:
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind != "u" or bits >= 8 * image.dtype.itemsize:
        return image
    factor = np.iinfo(image.dtype).max / (2**bits - 1)
    return np.rint(image * factor).astype(image.dtype)


class Depth(NamedTuple):
    """The mapping of pixels to a type whose depth is known.

    Attributes:
        dtype: uint8, uint16 or float: the type of the mapped pixels.
        colors: uint8, uint16 or float32: the type of the colors of such an image.
        zero: The stored value that becomes 0, for images with negative numbers.
    """

    dtype: np.dtype
    colors: np.dtype
    zero: int = 0

    def apply(self, pixels: np.ndarray) -> Real[np.ndarray, "..."]:
        """Map pixels.

        Args:
            pixels: Any part of the image that the depth was found for, plain or masked.

        Returns:
            The same shape; what is masked stays so.
        """
        if not self.zero:
            return pixels.astype(self.dtype, copy=False)
        # What is masked may lie outside of the type's range, and may become anything.
        return (pixels.astype(np.int64) - self.zero).astype(self.dtype)


def values(pixels: np.ndarray) -> Real[np.ndarray, "..."]:
    """Bring pixels to a type that does not depend on their image's range, for several images.

    Args:
        pixels: Integers or floats, plain or masked.

    Returns:
        uint8, uint16 and floats as `Depth.apply` returns them; other integers as float64.
    """
    native = pixels.dtype.newbyteorder("=")
    if native.kind in "iu" and native not in (np.uint8, np.uint16):
        return pixels.astype(np.float64)
    return known_depth_of(native, ()).apply(pixels)


def known_depth_of(dtype: np.dtype, blocks: Iterable[np.ndarray]) -> Depth:
    """Find a type of known depth for the pixels of an image.

    Floats stay as they are, but bfloat16 and the like, which numpy does not know, become float32.
    Integers other than uint8 and uint16 have no depth of their own: they are taken as uint8 if all
    values are in [0, 255], as uint16 if they are in [0, 65535] or span no more than that, and else
    as float64, whose colors have 16 bits. int8 with negative numbers is taken as uint8.

    Args:
        dtype: Of the pixels, in any byte order.
        blocks: The image's valid pixels; looked at only where their type does not say it all.

    Returns:
        The mapping.

    Raises:
        InputError: Booleans, complex numbers and the like.
    """
    native = dtype.newbyteorder("=")
    if native in (np.uint8, np.uint16):
        return Depth(native, native)
    if native.kind == "f":
        native = native if native.itemsize <= 8 else np.dtype(np.float64)
        return Depth(native, np.dtype(np.float32))
    if native.name.startswith(("bfloat", "float")):  # as ml_dtypes calls its own
        return Depth(np.dtype(np.float32), np.dtype(np.float32))
    if native.kind not in "iu":
        raise InputError(f"pixels are {dtype}; give integers or floats")
    low, high = _extremes(blocks)
    small, large = np.dtype(np.uint8), np.dtype(np.uint16)
    if native == np.int8 and low < 0:
        return Depth(small, small, zero=-128)
    if low >= 0 and high <= 65_535:
        known = small if high <= 255 else large
        return Depth(known, known)
    if high - low <= 65_535:
        return Depth(large, large, zero=low)
    return Depth(np.dtype(np.float64), large)


def _extremes(blocks: Iterable[Integer[np.ndarray, "..."]]) -> tuple[int, int]:
    found = [int(limit) for block in blocks if block.size for limit in (block.min(), block.max())]
    return (min(found), max(found)) if found else (0, 0)


def known_depth(nir: np.ndarray) -> Real[np.ndarray, "..."]:
    """Bring an array to a type whose depth is known: uint8, uint16 or float.

    Args:
        nir: Any integer or float type, plain or masked; see `known_depth_of`.

    Returns:
        The same shape, and the same values but for integers that are negative or above 65535.

    Raises:
        InputError: See `known_depth_of`.
    """
    valid = nir.compressed() if isinstance(nir, np.ma.MaskedArray) else nir
    return known_depth_of(nir.dtype, (valid,)).apply(nir)


def output_dtype(dtype: np.dtype) -> np.dtype:
    """Return the pixel type of the colors of a NIR image.

    Args:
        dtype: Of the NIR pixels: uint8, uint16 or float.

    Returns:
        The same unsigned type, or float32.
    """
    return np.dtype(np.float32) if dtype.kind == "f" else dtype
