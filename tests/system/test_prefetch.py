import contextlib
import threading

import pytest

from haqagen_jax.system.prefetch import prefetch


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_the_same_items_in_the_same_order(ahead):
    assert list(prefetch(range(10), ahead)) == list(range(10))
    assert list(prefetch([], ahead)) == []


def test_the_next_is_made_while_the_last_is_used():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    for item in prefetch(items()):
        if item == 1:
            assert made.wait(10)


def test_no_more_than_asked_for_is_made_ahead():
    made = []

    def items():
        for i in range(10):
            made.append(i)
            yield i

    with contextlib.closing(prefetch(items(), 2)) as source:
        assert next(source) == 0
    assert made == [0, 1, 2][: len(made)]


def test_an_error_comes_in_its_turn():
    def items():
        yield 1
        raise ValueError("two")

    source = prefetch(items())
    assert next(source) == 1
    with pytest.raises(ValueError, match="two"):
        next(source)


def test_whoever_stops_leaves_no_thread():
    before = threading.active_count()
    with contextlib.closing(prefetch(iter(range(10**9)))) as source:
        next(source)
    assert threading.active_count() == before
