"""Compute the next items of an iterable in another thread while this one uses the last."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], ahead: int = 1) -> Generator[T]:
    """Iterate ahead of time, in order; errors of the iterable are raised where they are due.

    Args:
        items: Iterated by one other thread only.
        ahead: Number of items that are computed before they are needed, at least 1.

    Yields:
        The items.
    """
    iterator, end = iter(items), object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    pending: deque[Future] = deque(thread.submit(next, iterator, end) for _ in range(ahead))
    try:
        while (item := pending.popleft().result()) is not end:
            pending.append(thread.submit(next, iterator, end))
            yield item
            del item  # else a large one would stay in memory until the next is there
    finally:  # also when the consumer stops early
        thread.shutdown(wait=True, cancel_futures=True)
