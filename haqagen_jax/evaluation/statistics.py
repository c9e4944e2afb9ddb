"""Means over images, and how sure they are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_AT_ONCE = 500  # resamples, so that many images fit into memory
_SEED = 0


class Summary(NamedTuple):
    """A column over all images.

    Attributes:
        mean: over the images.
        deviation: standard deviation of an image (n - 1); NaN for one image.
        low, high: the 95 % interval of the mean: percentiles of the means of 10,000 samples of as
            many images, drawn with replacement.
    """

    mean: float
    deviation: float
    low: float
    high: float


def summarize(values: Sequence[float]) -> Summary:
    """Sums a column up; the same values always have the same interval.

    Args:
        values: one an image, at least one; infinity is allowed.

    Reference: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), Sec. 13.3, the
        percentile interval.
    """
    column = np.asarray(values, np.float64)
    count = len(column)
    with np.errstate(invalid="ignore"):  # the deviation of infinities is NaN
        deviation = float(column.std(ddof=1)) if count > 1 else float("nan")
    random = np.random.default_rng(_SEED)
    means = np.concatenate(
        [
            column[random.integers(0, count, (_AT_ONCE, count))].mean(1)
            for _ in range(RESAMPLES // _AT_ONCE)
        ]
    )
    # "lower" and "higher" do not interpolate, which would be NaN beside infinity.
    low = np.quantile(means, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(means, (1 + LEVEL) / 2, method="higher")
    return Summary(float(column.mean()), deviation, float(low), float(high))
