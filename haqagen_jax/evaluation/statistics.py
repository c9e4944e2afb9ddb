"""Means over images, with deviations and bootstrap confidence intervals.

An infinite value (the PSNR of a prediction that is identical to the truth) is counted, and takes no
part in them: one such image would make a mean infinite, whatever the others are.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_CHUNK = 500  # resamples drawn at once, so that many images fit into memory
_SEED = 0


class Summary(NamedTuple):
    """A column over all images; all but `identical` are of its other values, NaN without any.

    Attributes:
        mean: Mean over the images.
        deviation: Sample standard deviation over the images (n - 1); NaN for one image.
        low, high: 95 % bootstrap interval of the mean: percentiles of the means of 10,000 samples
            of as many images, drawn with replacement.
        identical: Number of images whose value is infinite, as the PSNR of identical images.
    """

    mean: float
    deviation: float
    low: float
    high: float
    identical: int = 0


def finite_mean(values: Sequence[float]) -> float:
    """Average a column without its infinite values.

    Args:
        values: One value for each image, at least one.

    Returns:
        The mean of the values that are not infinite; infinity where all are.
    """
    others = [value for value in values if value != math.inf]
    return statistics.fmean(others) if others else math.inf


def summarize(values: Sequence[float]) -> Summary:
    """Summarize one column; deterministic.

    Args:
        values: One value for each image, at least one; infinity is allowed, and counted alone.

    Returns:
        Mean, deviation and interval, and the number of infinite values.

    Reference: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), Sec. 13.3, the
        percentile interval.
    """
    column = np.asarray(values, np.float64)
    column = column[column != np.inf]
    count = len(column)
    identical = len(values) - count
    if not count:
        nan = float("nan")
        return Summary(nan, nan, nan, nan, identical)
    deviation = float(column.std(ddof=1)) if count > 1 else float("nan")
    random = np.random.default_rng(_SEED)
    means = np.concatenate(
        [
            column[random.integers(0, count, (_CHUNK, count))].mean(1)
            for _ in range(RESAMPLES // _CHUNK)
        ]
    )
    # An end of the interval is a mean that was drawn, not one between two.
    low = np.quantile(means, (1 - LEVEL) / 2, method="lower")
    high = np.quantile(means, (1 + LEVEL) / 2, method="higher")
    return Summary(float(column.mean()), deviation, float(low), float(high), identical)
