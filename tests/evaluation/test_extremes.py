"""The worst and the best of all orders of images, without making more cases than needed."""

import itertools

import numpy as np

from haqagen_jax.evaluation.case import Case
from haqagen_jax.evaluation.extremes import Extremes

CURVES = np.zeros((3, 2))


def seen(scores):
    """The names of the worst and of the best, and of the cases that were made for it."""
    extremes, made = Extremes(), []

    def make(score):
        made.append(score)
        return Case(str(score), (1, 1), "", "", "", "", CURVES, CURVES)

    for score in scores:
        extremes.add(float(score), lambda score=score: make(score))
    worst, best = (
        [int(case.name) for case in cases] for cases in (extremes.worst(), extremes.best())
    )
    return worst, best, made


def test_any_order():
    for scores in itertools.islice(itertools.permutations(range(7)), 0, None, 7):
        assert seen(scores)[:2] == ([0, 1, 2], [6, 5, 4])


def test_few_are_shared_out():
    assert seen([5])[:2] == ([5], [])
    assert seen([5, 1])[:2] == ([1], [5])
    assert seen([5, 1, 3])[:2] == ([1, 3], [5])


def test_what_lies_between_is_not_made():
    assert seen([0, 1, 2, 10, 11, 12, 5, 5, 6, 13])[2] == [0, 1, 2, 10, 11, 12, 13]
