"""The interval is the bootstrap's of another library, and covers what it says."""

import math

import numpy as np
import pytest
from scipy import stats

from haqagen_jax.evaluation.statistics import summarize


def test_as_scipy_computes_it():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 40)
    summary = summarize(values.tolist())
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=1
    ).confidence_interval
    assert summary.mean == pytest.approx(values.mean())
    assert summary.deviation == pytest.approx(values.std(ddof=1))
    # Both are random: the ends of an interval of 10,000 resamples move by about a hundredth of it.
    width = theirs.high - theirs.low
    assert summary.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert summary.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_it_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    hits = sum(
        summary.low <= 5.0 <= summary.high
        for summary in (summarize(random.normal(5.0, 2.0, 50).tolist()) for _ in range(60))
    )
    assert 51 <= hits <= 60  # 57 expected; 50 is four deviations away


def test_the_same_every_time():
    assert summarize([1.0, 2.0, 5.0]) == summarize([1.0, 2.0, 5.0])


def test_one_value_and_infinity():
    summary = summarize([3.0])
    assert (summary.mean, summary.low, summary.high) == (3.0, 3.0, 3.0)
    assert math.isnan(summary.deviation)
    assert summarize([30.0, math.inf])[::2] == (30.0, 30.0, 1)
