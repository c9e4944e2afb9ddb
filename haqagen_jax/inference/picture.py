"""One picture on its way through the engine: which rows it needs, and what becomes of its tiles."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.errors import InputError
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.consistency import REACH, enlarged
from haqagen_jax.inference.source import ArraySink, Sink, Source
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.preprocess import Preparation

_PIECE = 32  # rows that are prepared at once: on the way they need more memory
Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


class Coarse(NamedTuple):
    """A picture reduced, whose tiles say the colours of the picture.

    Attributes:
        nir: prepared, (h, w, 1).
        plan: of its tiles.
    """

    nir: Float32[np.ndarray, "h w 1"]
    plan: TilePlan


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture to colour.

    Attributes:
        source: its NIR pixels.
        preparation: what they become before the network sees them.
        plan: of the tiles at the picture's own size.
        coarse: what those are corrected by; None: they stay as they are.
        sink: where the picture's rows go.
        progress: called after each of its tiles.
    """

    source: Source
    preparation: Preparation
    plan: TilePlan
    coarse: Coarse | None
    sink: Sink
    progress: Progress | None = None


class Pass:
    """A sliding window over a picture: its blended rows, and how many of its tiles are missing."""

    def __init__(self, plan: TilePlan, window: str, sink: Sink) -> None:
        self.plan, self.missing = plan, len(plan)
        self._blender, self._sink = Blender(plan, window), sink

    def take(self, tile: Float[np.ndarray, "tile tile 3"], origin: tuple[int, int]) -> None:
        """Adds the next tile of the plan."""
        rows = self._blender.add(tile, origin)
        if len(rows):
            self._sink.write(rows)
        self.missing -= 1
        if not self.missing:
            self._sink.close()


class Picture:
    """A job and how far it is.

    Attributes:
        job: it.
        detail: the window over the picture itself.
        coarse: the one over the reduced picture, if there is one.
        failed: it cannot be coloured, and its sink knows.
    """

    def __init__(self, job: Job, window: str) -> None:
        self.job, self.failed = job, False
        self.detail = Pass(job.plan, window, job.sink)
        self.coarse, self._colours = None, None
        if job.coarse is not None:
            plan = job.coarse.plan
            self._colours = np.empty((plan.height, plan.width, 3), np.float32)
            self.coarse = Pass(plan, window, ArraySink(self._colours))
        self._tiles = self._left

    @property
    def _left(self) -> int:
        return self.detail.missing + (self.coarse.missing if self.coarse else 0)

    def target(self, origin: tuple[int, int]) -> Float32[np.ndarray, "tile tile 3"] | None:
        """Returns what a tile of the detail is corrected by, once the coarse window is done."""
        return None if self._colours is None else enlarged(self._colours, self.job.plan, origin)

    @property
    def reach(self) -> float:
        """How wide the Gaussian of `correct` is; 0 without a reduced picture."""
        if self.job.coarse is None:
            return 0.0
        large, small = self.job.plan, self.job.coarse.plan
        return REACH * max(large.height, large.width) / max(small.height, small.width)

    def take(
        self, window: Pass, tile: Float[np.ndarray, "tile tile 3"], origin: tuple[int, int]
    ) -> None:
        """Adds the next tile of a window.

        Raises:
            InputError: the network's colors are not finite.
        """
        if not np.isfinite(tile).all():
            raise InputError(
                "the model gives it colors that are not finite; give another --model, or compute "
                "with --precision float32"
            )
        window.take(tile, origin)
        if self.job.progress is not None:
            self.job.progress(self._tiles - self._left, self._tiles)

    def fail(self, error: Exception) -> None:
        """Ends this picture, unless that is done."""
        if not self.failed:
            self.failed = True
            self.job.sink.fail(error)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Ends this picture alone for whatever goes wrong with it; its sink words it."""
        try:
            yield
        except Exception as error:
            self.fail(error)


def bands(job: Job) -> Iterator[tuple[int, Float32[np.ndarray, "rows width 1"]]]:
    """Yields, for each row of tiles, the prepared rows of the picture that it is cut from.

    Args:
        job: whose source is read once, from above.

    Yields:
        The number of the first row, and the rows.
    """
    wanted = [job.plan.rows(row) for row in range(job.plan.grid[0])]
    # Reflection can lead the last rows of tiles back above those before them.
    starts = np.minimum.accumulate([rows.start for rows in wanted[::-1]])[::-1]
    first = stop = 0
    held = np.empty((0, job.plan.width, 1), np.float32)
    for rows, start in zip(wanted, starts.tolist(), strict=True):
        held, first = held[start - first :], start
        if rows.stop > stop:
            kept, pixels = len(held), job.source.rows(stop, rows.stop)
            grown = np.empty((kept + len(pixels), *held.shape[1:]), np.float32)
            grown[:kept] = held
            for piece in range(0, len(pixels), _PIECE):
                some = job.preparation.apply(pixels[piece : piece + _PIECE])
                grown[kept + piece : kept + piece + len(some), :, 0] = some
            held, stop = grown, rows.stop
        yield first, held
