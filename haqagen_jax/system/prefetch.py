"""Work ahead: what comes next is made in another thread while this one uses what came last."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], ahead: int = 1) -> Generator[T]:
    """Yields what an iterable yields, made ahead of time, and raises what it raises.

    Args:
        items: asked by one other thread only.
        ahead: items that are made before they are wanted, at least 1.
    """
    iterator, end = iter(items), object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    made: deque[Future] = deque(thread.submit(next, iterator, end) for _ in range(ahead))
    try:
        while (item := made.popleft().result()) is not end:
            made.append(thread.submit(next, iterator, end))
            yield item
            del item  # what is large need not wait for the next
    finally:  # also when nobody wants more
        thread.shutdown(wait=True, cancel_futures=True)
