"""Colors at an image's own size from a local affine model at a smaller one.

The model, color = a * nir + b, comes by rows from above; each row of it is enlarged bilinearly, and
applied to the NIR image where that has all its detail. Memory holds a band of rows, however high
the image is.
"""

import copy
import math

import numpy as np
from jaxtyping import Float32

from haqagen_jax.images.resize import enlarge
from haqagen_jax.images.stream import BLOCK, Sink, Source
from haqagen_jax.nir.preparation import Preparation

COEFFICIENTS = 6  # a and b of red, green and blue
_PIECE = 32  # rows of coefficients that are added at once, as adding copies them


class GapSink:
    """A sink that takes the colors of pixels without data out, as NaN, and passes the rest on."""

    def __init__(self, source: Source, sink: Sink) -> None:
        """Begin at the top.

        Args:
            source: The NIR image.
            sink: Receives the colors.
        """
        self._source, self._sink, self._next = copy.copy(source), sink, 0
        self._size = source.height, source.width

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        step = max(1, BLOCK // self._size[1])
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            nir = self._source.rows(self._next, self._next + len(part))
            if isinstance(nir, np.ma.MaskedArray):
                part = np.where(np.ma.getmaskarray(nir)[..., None], np.float32(np.nan), part)
            self._sink.write(part)
            self._next += len(part)

    def close(self) -> None:
        """See `Sink`."""
        self._sink.close()

    def fail(self, error: Exception) -> None:
        """See `Sink`.

        Args:
            error: The reason, passed on.
        """
        self._sink.fail(error)


class AffineSink:
    """A sink of coefficients at the working size, which passes full-size colors to another."""

    def __init__(
        self, source: Source, preparation: Preparation, size: tuple[int, int], sink: Sink
    ) -> None:
        """Begin at the top.

        Args:
            source: The NIR image.
            preparation: The mapping of its pixels to [0, 1].
            size: (h, w) of the coefficients, at most that of the image.
            sink: Receives the colors.
        """
        # A copy, because sources keep the last rows they decoded and the network reads elsewhere.
        self._source = copy.copy(source)
        self._preparation, self._sink = preparation, sink
        self._size, self._height = (source.height, source.width), size[0]
        self._held = np.empty((0, size[1], COEFFICIENTS), np.float32)
        self._first = self._done = 0

    def write(self, rows: Float32[np.ndarray, "rows width 6"]) -> None:
        """Take the next rows of coefficients: a of red, green and blue, then b.

        Args:
            rows: The next ones from above, float32.

        Raises:
            Exception: The image cannot be read, or its colors cannot be kept.
        """
        for first in range(0, len(rows), _PIECE):
            self._take(rows[first : first + _PIECE])

    def _take(self, rows: Float32[np.ndarray, "rows width 6"]) -> None:
        self._held = np.concatenate([self._held, rows])
        known = self._first + len(self._held)
        stop = self._size[0]
        if known < self._height:  # a row is interpolated between two
            stop = math.floor((known - 1.5) * stop / self._height - 0.5) + 1
        step = max(1, BLOCK // (COEFFICIENTS * self._size[1]))
        for start in range(self._done, stop, step):
            self._sink.write(self._colors(start, min(start + step, stop)))
        self._done = max(self._done, stop)
        keep = math.floor((self._done + 0.5) * self._height / self._size[0] - 0.5)
        drop = min(max(0, keep - self._first), len(self._held))
        self._held, self._first = self._held[drop:], self._first + drop

    def _colors(self, start: int, stop: int) -> Float32[np.ndarray, "rows width 3"]:
        nir = self._preparation.apply(self._source.rows(start, stop))
        model = enlarge(
            self._held,
            self._size,
            first=self._first,
            height=self._height,
            start=start,
            stop=stop,
        )
        rgb = model[..., :3] * nir[..., None]
        rgb += model[..., 3:]
        return np.clip(rgb, 0.0, 1.0, out=rgb)

    def close(self) -> None:
        """See `Sink`."""
        self._sink.close()

    def fail(self, error: Exception) -> None:
        """See `Sink`.

        Args:
            error: The reason, passed on.
        """
        self._sink.fail(error)
