"""Exact percentiles without sorting: of counted levels, and of floats that pass by in blocks.

numpy only. As `numpy.percentile` defines them (linear between two ranks), to the last bit.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Float, Integer

_DIGIT = 16  # bits of a float's rank that one pass finds


def counted_percentiles(
    levels: Float[np.ndarray, " n"],
    counts: Integer[np.ndarray, " n"],
    percentiles: Sequence[float],
) -> tuple[float, ...]:
    """Finds percentiles of an image of which each level is known to occur so many times.

    Args:
        levels: rising.
        counts: of pixels at each level, at least one in all.
        percentiles: each in [0, 100].

    Returns:
        The values.
    """
    ranks = np.cumsum(counts)
    total = int(ranks[-1])

    def at(rank: int) -> float:
        return float(levels[np.searchsorted(ranks, rank, side="right")])

    return tuple(_between(at, total, q) for q in percentiles)


def percentiles_of(
    blocks: Callable[[], Iterable[Float[np.ndarray, "..."]]],
    dtype: np.dtype,
    percentiles: Sequence[float],
) -> tuple[float, ...]:
    """Finds percentiles of finite floats.

    Args:
        blocks: returns them in parts of any shape; called once for every 16 bits of the type.
        dtype: of the blocks.
        percentiles: each in [0, 100].

    Returns:
        The values.
    """
    total = sum(block.size for block in blocks())
    wanted = sorted({rank for q in percentiles for rank in _ranks(total, q)})
    values = dict(zip(wanted, _of_ranks(blocks, dtype, wanted), strict=True))
    return tuple(_between(values.__getitem__, total, q) for q in percentiles)


def _of_ranks(
    blocks: Callable[[], Iterable[np.ndarray]], dtype: np.dtype, ranks: list[int]
) -> list[float]:
    """The values that would have these places in order, found digit by digit from the highest."""
    bits = 8 * dtype.itemsize
    found, left = [0] * len(ranks), list(ranks)  # the digits so far; the place among their like
    for shift in range(bits - _DIGIT, -1, -_DIGIT):
        counts = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix in set(found)}
        for block in blocks():
            keys = _ordered(block.ravel())
            known = keys >> np.uint64(shift)
            for prefix, count in counts.items():
                mine = known[known >> np.uint64(_DIGIT) == prefix] & np.uint64((1 << _DIGIT) - 1)
                count += np.bincount(mine.astype(np.int64), minlength=1 << _DIGIT)
        for i, prefix in enumerate(found):
            below = np.cumsum(counts[prefix])
            digit = int(np.searchsorted(below, left[i], side="right"))
            left[i] -= int(below[digit - 1]) if digit else 0
            found[i] = (prefix << _DIGIT) | digit
    return [_value(key, dtype) for key in found]


def _ordered(floats: np.ndarray) -> np.ndarray:
    """Unsigned integers of the same order: IEEE 754 has sign and magnitude."""
    bits = 8 * floats.dtype.itemsize
    keys = np.ascontiguousarray(floats).view(f"u{floats.dtype.itemsize}").astype(np.uint64)
    sign = np.uint64(1 << (bits - 1))
    everything = np.uint64((1 << bits) - 1)
    return np.where(keys & sign, ~keys & everything, keys | sign)


def _value(key: int, dtype: np.dtype) -> float:
    bits = 8 * dtype.itemsize
    sign = 1 << (bits - 1)
    raw = key & ~sign if key & sign else ~key & ((1 << bits) - 1)
    return float(np.array(raw, f"u{dtype.itemsize}").view(dtype))


def _ranks(total: int, q: float) -> tuple[int, int]:
    place = (total - 1) * (q / 100)
    low = int(np.floor(place))
    return low, min(low + 1, total - 1)


def _between(at: Callable[[int], float], total: int, q: float) -> float:
    low, high = _ranks(total, q)
    part = (total - 1) * (q / 100) - low
    a, b = at(low), at(high)
    if math.isinf(b - a):  # the extremes of float64
        return a * (1 - part) + b * part
    return a + (b - a) * part if part < 0.5 else b - (b - a) * (1 - part)
