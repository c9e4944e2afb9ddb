"""Compute exact percentiles without sorting: of counted levels, and of floats in blocks.

numpy only. Results equal those of `numpy.percentile` (linear between two ranks) to the last bit.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float, Integer, Real

from haqagen_jax.nir.equalization import count_levels

_DIGIT = 16  # bits of a value that one pass over the blocks determines


def counted_percentiles(
    levels: Float[np.ndarray, " n"],
    counts: Integer[np.ndarray, " n"],
    percentiles: Sequence[float],
) -> tuple[float, ...]:
    """Compute percentiles of an image from the number of its pixels at each level.

    Args:
        levels: Values of the levels, ascending.
        counts: Number of pixels at each level, at least one in all.
        percentiles: Percentiles, each in [0, 100].

    Returns:
        A value for each percentile.
    """
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])

    def value_at(rank: int) -> float:
        return float(levels[np.searchsorted(cumulative, rank, side="right")])

    return tuple(_interpolate(value_at, total, q) for q in percentiles)


def percentiles_of(
    blocks: Callable[[], Iterable[Float[np.ndarray, "..."]]],
    dtype: np.dtype,
    percentiles: Sequence[float],
    total: int | None = None,
) -> tuple[float, ...]:
    """Compute percentiles of finite floats.

    Args:
        blocks: Iterates over the floats in blocks of any shape; called once for every 16 bits of
            the type, and once to count them unless `total` is given.
        dtype: Type of the blocks.
        percentiles: Percentiles, each in [0, 100].
        total: The number of floats.

    Returns:
        A value for each percentile.
    """
    if total is None:
        total = sum(block.size for block in blocks())
    ranks = sorted({rank for q in percentiles for rank in _ranks(total, q)})
    values = dict(zip(ranks, _values_at(blocks, dtype, ranks), strict=True))
    return tuple(_interpolate(values.__getitem__, total, q) for q in percentiles)


def percentiles_of_any(
    blocks: Callable[[], Iterable[Real[np.ndarray, "..."]]],
    dtype: np.dtype,
    percentiles: Sequence[float],
) -> tuple[float, ...]:
    """Compute percentiles of unsigned integers of up to 16 bits, or of finite floats.

    Args:
        blocks: See `percentiles_of`.
        dtype: Type of the blocks.
        percentiles: Percentiles, each in [0, 100].

    Returns:
        A value for each percentile.
    """
    return count_pixels(blocks, dtype)[1](percentiles)


def count_pixels(
    blocks: Callable[[], Iterable[Real[np.ndarray, "..."]]], dtype: np.dtype
) -> tuple[int, Callable[[Sequence[float]], tuple[float, ...]]]:
    """Count pixels in one pass, which integers need no other after.

    Args:
        blocks: See `percentiles_of`.
        dtype: Type of the blocks: unsigned integers of up to 16 bits, or floats.

    Returns:
        Number of the pixels, and the function from percentiles to their values.
    """
    if dtype.kind == "f":
        total = sum(block.size for block in blocks())
        return total, lambda percentiles: percentiles_of(blocks, dtype, percentiles, total)
    levels = np.arange(np.iinfo(dtype).max + 1)
    counts = count_levels(blocks(), len(levels))
    values = levels.astype(np.float64)
    return int(counts.sum()), lambda percentiles: counted_percentiles(values, counts, percentiles)


def _values_at(
    blocks: Callable[[], Iterable[np.ndarray]], dtype: np.dtype, ranks: list[int]
) -> list[float]:
    """Select the values of some ranks by a radix search, from the highest digit to the lowest."""
    bits = 8 * dtype.itemsize
    prefixes = [0] * len(ranks)  # the digits of each value that are known so far
    remaining = list(ranks)  # the rank of each value among those with its prefix
    for shift in range(bits - _DIGIT, -1, -_DIGIT):
        counts = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix in set(prefixes)}
        for block in blocks():
            keys = _to_ordered(block.ravel())
            known = keys >> np.uint64(shift)
            for prefix, count in counts.items():
                digits = known[known >> np.uint64(_DIGIT) == prefix] & np.uint64((1 << _DIGIT) - 1)
                count += np.bincount(digits.astype(np.int64), minlength=1 << _DIGIT)
        for i, prefix in enumerate(prefixes):
            cumulative = np.cumsum(counts[prefix])
            digit = int(np.searchsorted(cumulative, remaining[i], side="right"))
            remaining[i] -= int(cumulative[digit - 1]) if digit else 0
            prefixes[i] = (prefix << _DIGIT) | digit
    return [_to_float(key, dtype) for key in prefixes]


def _to_ordered(floats: np.ndarray) -> np.ndarray:
    """Map floats to unsigned integers of the same order; IEEE 754 has sign and magnitude."""
    bits = 8 * floats.dtype.itemsize
    keys = np.ascontiguousarray(floats).view(f"u{floats.dtype.itemsize}").astype(np.uint64)
    sign = np.uint64(1 << (bits - 1))
    mask = np.uint64((1 << bits) - 1)
    return np.where(keys & sign, ~keys & mask, keys | sign)


def _to_float(key: int, dtype: np.dtype) -> float:
    """Invert `_to_ordered`."""
    bits = 8 * dtype.itemsize
    sign = 1 << (bits - 1)
    pattern = key & ~sign if key & sign else ~key & ((1 << bits) - 1)
    return float(np.array(pattern, f"u{dtype.itemsize}").view(dtype))


def _ranks(total: int, q: float) -> tuple[int, int]:
    """Return the two ranks that a percentile lies between."""
    low = int(np.floor((total - 1) * (q / 100)))
    return low, min(low + 1, total - 1)


def _interpolate(value_at: Callable[[int], float], total: int, q: float) -> float:
    low, high = _ranks(total, q)
    fraction = (total - 1) * (q / 100) - low
    a, b = value_at(low), value_at(high)
    if math.isinf(b - a):  # the difference of float64 extremes overflows
        return a * (1 - fraction) + b * fraction
    # Two forms, as in numpy, so that both ends are met exactly.
    return a + (b - a) * fraction if fraction < 0.5 else b - (b - a) * (1 - fraction)
