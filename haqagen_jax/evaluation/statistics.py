"""Means over images, with deviations and bootstrap confidence intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_CHUNK = 500  # resamples drawn at once, so that many images fit into memory
_SEED = 0


class Summary(NamedTuple):
    """A column over all images.

    Attributes:
        mean: Mean over the images.
        deviation: Sample standard deviation over the images (n - 1); NaN for one image.
        low, high: 95 % bootstrap interval of the mean: percentiles of the means of 10,000 samples
            of as many images, drawn with replacement.
    """

    mean: float
    deviation: float
    low: float
    high: float


def summarize(values: Sequence[float]) -> Summary:
    """Summarize one column; deterministic.

    Args:
        values: One value for each image, at least one; infinity is allowed.

    Returns:
        Mean, deviation and interval.

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
            column[random.integers(0, count, (_CHUNK, count))].mean(1)
            for _ in range(RESAMPLES // _CHUNK)
        ]
    )
    # The default method interpolates, which would be NaN beside infinity.
    low = np.quantile(means, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(means, (1 + LEVEL) / 2, method="higher")
    return Summary(float(column.mean()), deviation, float(low), float(high))
