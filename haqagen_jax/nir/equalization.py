"""Histogram equalization of integer images, in numpy."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Integer

from haqagen_jax.errors import InputError


def equalize(image: Integer[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Spread the gray levels of an integer image so that their distribution is even.

    Args:
        image: uint8 (256 levels) or uint16 (65,536 levels), any shape with at least one pixel.

    Returns:
        float32 of the same shape, (cdf(v) - cdf_min) / (n - cdf_min): the darkest level present
        becomes 0, the brightest 1. A constant image becomes 0.

    Raises:
        InputError: Another integer type.

    Reference: Gonzalez and Woods, Digital Image Processing, Sec. 3.3.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"equalization is for uint8 and uint16, not {image.dtype}; convert first")
    counts = count_levels((image,), np.iinfo(image.dtype).max + 1)
    return np.take(equalizing(counts), image, mode="clip")


def equalizing(counts: Integer[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Compute what each level becomes in an equalized image.

    Args:
        counts: Number of pixels at each level, at least one in all.

    Returns:
        float32 in [0, 1] for each level.
    """
    cdf = np.cumsum(counts)
    darkest = cdf[np.flatnonzero(counts)[0]]
    span = max(int(cdf[-1] - darkest), 1)
    return np.clip((cdf - darkest) / span, 0.0, 1.0).astype(np.float32)


def count_levels(
    blocks: Iterable[Integer[np.ndarray, "..."]], levels: int
) -> Integer[np.ndarray, " levels"]:
    """Count the pixels of an image at each level.

    Args:
        blocks: Its pixels, unsigned integers below `levels`.
        levels: Number of the levels.

    Returns:
        Number of pixels at each level.
    """
    counts = np.zeros(levels, np.int64)
    for block in blocks:
        counts += np.bincount(block.ravel(), minlength=levels)
    return counts
