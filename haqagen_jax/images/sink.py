"""A color image file as a sink of rows: TIFF is written as they come, PNG and JPEG at the end.

Encoding runs in other threads. The file has its name with its last byte, and never before.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from haqagen_jax.errors import InputError, located
from haqagen_jax.images import files as image_files
from haqagen_jax.images.header import Header
from haqagen_jax.images.marking import NO_MARK, Marking
from haqagen_jax.images.metadata import EMPTY, Metadata

_ROWS = 64  # rows of an item of the queue
_WAITING = 4  # items that may wait for the encoder
_PATIENCE = 0.2  # seconds between two checks whether the encoder is still alive
_END = object()


class Writers:
    """The pool of threads that encode files.

    Attributes:
        most: The number of files that may be encoded or wait for it at once.
    """

    def __init__(self) -> None:
        """Start without a thread; there will be up to one for each core."""
        threads = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="write")
        self.most = 2 * threads
        self._room = threading.Semaphore(self.most)

    def start(self, work: Callable[[], None]) -> None:
        """Run a task in one of the threads; block while `most` tasks are running or waiting.

        Args:
            work: The task; it must not raise.
        """
        self._room.acquire()

        def run() -> None:
            try:
                work()
            finally:
                self._room.release()

        self._pool.submit(run)

    def close(self) -> None:
        """Wait for all tasks."""
        self._pool.shutdown()


class Abandoned(Exception):  # noqa: N818 - nothing is wrong
    """The run ended before the file did."""


class FileSink:
    """A color image file, written atomically; see `haqagen_jax.images.stream.Sink`.

    Attributes:
        saved: Done when the file has its name, or failed with the reason why it never will.
    """

    def __init__(
        self,
        header: Header,
        target: Path,
        size: tuple[int, int],
        dtype: np.dtype,
        writers: Writers,
        marking: Marking = NO_MARK,
        metadata: Metadata = EMPTY,
    ) -> None:
        """Begin; nothing is written before the first rows.

        Args:
            header: Of the NIR file. It must be unchanged when the last row has come: else the
                target does not get its name.
            target: The file; one of that name is replaced.
            size: (h, w) of the colors, pixels.
            dtype: uint8, uint16 or float32.
            writers: The threads that encode it.
            marking: How pixels without data are marked, as far as the format can.
            metadata: What the file says besides its pixels.
        """
        self.saved: Future[None] = Future()
        self._header, self._target, self._size, self._dtype = header, target, size, dtype
        self._writers, self._next, self._metadata = writers, 0, metadata
        self._marking = marking.in_format(target.suffix.lower())
        self._rows: queue.Queue[Any] = queue.Queue(_WAITING)
        self._started = False

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        if not self._started:
            self._started = True
            self._writers.start(self._save)
        for first in range(0, len(rows), _ROWS):
            part = rows[first : first + _ROWS]
            self._put(self._marking.stored(part, self._dtype, self._next))
            self._next += len(part)
        if self.saved.done():  # before the last row: the file cannot be written
            self.saved.result()

    def close(self) -> None:
        """See `Sink`."""
        self._put(_END)

    def fail(self, error: Exception) -> None:
        """See `Sink`; the others go on."""
        if isinstance(error, InputError):
            error = InputError(f"{self._header.path}: {error}")
        self._stop(error)

    def abandon(self) -> None:
        """Give up a file that is not complete; idempotent."""
        self._stop(Abandoned())

    def _stop(self, error: Exception) -> None:
        if self._started:
            self._put(error)
        elif not self.saved.done():
            self.saved.set_exception(error)

    def _put(self, item: object) -> None:
        while not self.saved.done():
            with contextlib.suppress(queue.Full):
                self._rows.put(item, timeout=_PATIENCE)
                break

    def _save(self) -> None:
        try:
            image_files.write_rows(
                self._target,
                self._size,
                self._dtype,
                self._arriving(),
                self._marking,
                self._metadata,
            )
        except BaseException as error:  # a thread has nobody else to tell
            self.saved.set_exception(error)
        else:
            self.saved.set_result(None)

    def _arriving(self) -> Iterator[np.ndarray]:
        while (item := self._rows.get()) is not _END:
            if isinstance(item, Exception):
                raise item
            yield item
        with located(self._header.path):
            self._header.require_unchanged()
