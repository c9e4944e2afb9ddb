"""The colors of several images as one TIFF of as many pages, in memory that does not grow.

Pages are colored in any order. Each waits in a file without a name until those before it are
written.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO

import numpy as np
import tifffile

from haqagen_jax.errors import InputError, reason
from haqagen_jax.images import tiff, tiff_metadata
from haqagen_jax.images.header import Header
from haqagen_jax.images.marking import NO_MARK, Marking
from haqagen_jax.images.metadata import EMPTY, Metadata
from haqagen_jax.images.sink import Abandoned, FileSink, Writers
from haqagen_jax.images.source import of_page
from haqagen_jax.system.files import replaced

_ROWS = 64  # that are read back at once


class PageSink(FileSink):
    """The colors of one page; `saved` is done when all its rows have come."""

    spool: IO[bytes] | None = None

    def rows(self) -> Iterator[np.ndarray]:
        """Read the stored rows back, once `saved` is done.

        Yields:
            Some rows at a time, from above.
        """
        assert self.spool is not None
        self.spool.seek(0)
        (h, w), channels = self._size, self._marking.channels
        for start in range(0, h, _ROWS):
            count = min(_ROWS, h - start)
            data = self.spool.read(count * w * channels * self._dtype.itemsize)
            yield np.frombuffer(data, self._dtype).reshape(count, w, channels)

    def append_to(self, writer: tifffile.TiffWriter) -> None:
        """Write the page behind those that are written, and forget its rows.

        Args:
            writer: Of the TIFF.

        Raises:
            OSError: It cannot be written.
        """
        tags = tiff_metadata.written_tags(self._metadata)
        if self._metadata.software:
            tags["software"] = self._metadata.software
        tiff.write_page(writer, self._size, self._dtype, self.rows(), tags, self._marking)
        self.forget()

    def forget(self) -> None:
        """Close the file without a name; idempotent."""
        if self.spool is not None:
            self.spool.close()

    def _save(self) -> None:
        try:
            self.spool = tempfile.TemporaryFile(dir=self._target.parent)  # noqa: SIM115
            for rows in self._arriving():
                self.spool.write(np.ascontiguousarray(rows).tobytes())
        except OSError as error:
            self.saved.set_exception(_unwritable(self._target, error))
        except BaseException as error:  # a thread has nobody else to tell
            self.saved.set_exception(error)
        else:
            self.saved.set_result(None)


class StackFile:
    """A TIFF of several pages, written atomically.

    Attributes:
        saved: Done when the file has its name, or failed with the reason why it never will.
    """

    def __init__(self, source: Path, target: Path, pixels: int, writers: Writers) -> None:
        """Begin with no page.

        Args:
            source: The file of NIR images, for messages.
            target: The file; one of that name is replaced.
            pixels: Of all pages together, at most.
            writers: The threads in which pages are encoded.

        Raises:
            InputError: It cannot be written.
        """
        self.saved: Future[None] = Future()
        self._source, self._target, self._writers = source, target, writers
        self._pages: list[PageSink] = []
        self._written, self._complete = 0, False
        self._lock = threading.RLock()  # a page that fails at once calls back in its own thread
        self._exit = contextlib.ExitStack()
        file = self._exit.enter_context(replaced(target))
        big = 16 * pixels > tiff.CLASSIC  # four channels of floats
        self._writer = tifffile.TiffWriter(file, bigtiff=big)  # pyright: ignore

    def page(
        self,
        header: Header,
        size: tuple[int, int],
        dtype: np.dtype,
        marking: Marking = NO_MARK,
        metadata: Metadata = EMPTY,
    ) -> PageSink:
        """Add a page.

        Args:
            header: Of the NIR image.
            size: (h, w) of the colors, pixels.
            dtype: uint8, uint16 or float32.
            marking: How pixels without data are marked.
            metadata: Resolution, place and what made the colors are written; the rest is not.

        Returns:
            The sink of its colors.
        """
        target = self._target.with_suffix(".tif")  # by which the marks are chosen
        sink = PageSink(header, target, size, dtype, self._writers, marking, metadata)
        with self._lock:
            self._pages.append(sink)
            number = len(self._pages)
        sink.saved.add_done_callback(lambda saved: self._arrived(number, saved.exception()))
        return sink

    def close(self) -> None:
        """End the list of pages; the file gets its name with the last of them."""
        with self._lock:
            self._complete = True
        self._arrived(0, None)

    def fail(self, error: BaseException) -> None:
        """Give the file up; idempotent.

        Args:
            error: The reason.
        """
        with self._lock:
            if self.saved.done():
                return
            with contextlib.suppress(Exception):
                self._exit.__exit__(Abandoned, Abandoned(), None)
            self.saved.set_exception(error)
            for page in self._pages:
                if page.saved.done():
                    page.forget()

    def abandon(self) -> None:
        """Give up a file that is not complete; idempotent."""
        for page in self._pages:
            page.abandon()
        self.fail(Abandoned())

    def _arrived(self, number: int, error: BaseException | None) -> None:
        """Write the pages that are next; thread-safe."""
        if error is not None:
            try:
                with of_page(self._source, number):
                    raise error
            except BaseException as named:
                self.fail(named)
        with self._lock:
            if self.saved.done():
                if number:
                    self._pages[number - 1].forget()
                return
            try:
                while self._written < len(self._pages) and self._next().saved.done():
                    self._next().append_to(self._writer)
                    self._written += 1
                if self._complete and self._written == len(self._pages):
                    self._writer.close()
                    self._exit.close()
                    self.saved.set_result(None)
            except OSError as problem:
                self.fail(_unwritable(self._target, problem))
            except Exception as problem:
                self.fail(problem)

    def _next(self) -> PageSink:
        return self._pages[self._written]


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(
        f"{target}: cannot be written ({reason(error)}); free the disk or choose another folder"
    )
