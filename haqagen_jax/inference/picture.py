"""One image on its way through the engine: which rows it needs, and what becomes of its tiles."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.errors import InputError
from haqagen_jax.images.stream import Sink, Source
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.preparation import Preparation

_PIECE = 32  # rows that are prepared at once: on the way they need more memory
Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to color.

    Attributes:
        source: its NIR pixels.
        preparation: what they become before the network sees them.
        plan: of its tiles.
        sink: where the rows that the tiles are blended to go.
        channels: of a tile that comes back.
        progress: called after each of its tiles.
    """

    source: Source
    preparation: Preparation
    plan: TilePlan
    sink: Sink
    channels: int = 3
    progress: Progress | None = None


class Picture:
    """A job and how far it is.

    Attributes:
        job: it.
        failed: it cannot be colored, and its sink knows.
    """

    def __init__(self, job: Job, window: str) -> None:
        self.job, self.failed = job, False
        self._blender = Blender(job.plan, window, job.channels)
        self._missing = len(job.plan)

    def take(self, tile: Float[np.ndarray, "tile tile c"], origin: tuple[int, int]) -> None:
        """Adds the next tile of the plan.

        Raises:
            InputError: the network's colors are not finite.
        """
        if not np.isfinite(tile).all():
            raise InputError(
                "the model gives it colors that are not finite; give another --model, or compute "
                "with --precision float32"
            )
        rows = self._blender.add(tile, origin)
        if len(rows):
            self.job.sink.write(rows)
        self._missing -= 1
        if not self._missing:
            self.job.sink.close()
        if self.job.progress is not None:
            self.job.progress(len(self.job.plan) - self._missing, len(self.job.plan))

    def fail(self, error: Exception) -> None:
        """Ends this picture, unless that is done."""
        if not self.failed:
            self.failed = True
            self.job.sink.fail(error)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Ends this image alone for whatever goes wrong with it; its sink words it."""
        try:
            yield
        except Exception as error:
            self.fail(error)


def bands(job: Job) -> Iterator[tuple[int, Float32[np.ndarray, "rows width 1"]]]:
    """Yields, for each row of tiles, the prepared rows of the image that it is cut from.

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
