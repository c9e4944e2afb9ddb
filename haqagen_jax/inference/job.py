"""One image to color: the rows that its tiles need, and the state of its blending."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.errors import InputError
from haqagen_jax.images.stream import BLOCK, Sink, Source
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.preparation import Preparation

_PIECE = 32  # rows that are prepared at once: the mapping needs several times their memory
Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


@dataclasses.dataclass(frozen=True)
class Job:
    """One image to color.

    Attributes:
        source: The NIR pixels.
        preparation: The mapping of the pixels to what the network sees.
        plan: The tiles of the image.
        sink: Receives the blended rows, from above.
        channels: Channels of a predicted tile.
        progress: Called after each tile as (tiles done, tiles in all).
        constant: The value of all pixels of an image without contrast, which no network sees; None
            for all others.
    """

    source: Source
    preparation: Preparation
    plan: TilePlan
    sink: Sink
    channels: int = 3
    progress: Progress | None = None
    constant: float | None = None


def fill(job: Job) -> None:
    """Fill an image whose pixels have one value with one gray; its sink is told how it ended.

    The gray is the value itself: of integers over the maximum of their type, of floats where they
    are in [0, 1]. Other floats have no scale, and become middle gray.

    Args:
        job: With a constant.
    """
    source, value = job.source, job.constant or 0.0
    if source.dtype.kind in "iu":
        value /= np.iinfo(source.dtype).max
    elif not 0 <= value <= 1:
        value = 0.5
    step = max(1, BLOCK // source.width)
    try:
        for start in range(0, source.height, step):
            rows = min(step, source.height - start)
            job.sink.write(np.full((rows, source.width, 3), max(value, 0.0), np.float32))
        job.sink.close()
        if job.progress is not None:
            job.progress(1, 1)
    except Exception as error:  # whatever it is belongs to this image
        job.sink.fail(error)


class ActiveJob:
    """A job that is being run: its blender, and the number of tiles still to come.

    Attributes:
        job: The job being run.
        failed: Whether it was given up; its sink has been told.
    """

    def __init__(self, job: Job, window: str) -> None:
        """Begin without a tile.

        Args:
            job: The job to run.
            window: Name of the blending window; see `haqagen_jax.ops.windows`.
        """
        self.job, self.failed = job, False
        self._blender = Blender(job.plan, window, job.channels)
        self._missing = len(job.plan)

    def take(self, tile: Float[np.ndarray, "tile tile c"], origin: tuple[int, int]) -> None:
        """Blend the next tile of the plan, and pass finished rows to the sink.

        Args:
            tile: What the network predicts, float32.
            origin: Top left corner (y, x) in the padded image.

        Raises:
            InputError: The network's colors are not finite.
            Exception: The sink cannot keep the rows.
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
        """Give the job up; idempotent.

        Args:
            error: The reason, for the sink.
        """
        if not self.failed:
            self.failed = True
            self.job.sink.fail(error)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Give up this job alone, and no other, for whatever is raised inside."""
        try:
            yield
        except Exception as error:
            self.fail(error)


def bands(job: Job) -> Iterator[tuple[int, Float32[np.ndarray, "rows width 1"]]]:
    """Yield, for each row of tiles, the prepared rows of the image that it is cut from.

    Args:
        job: The job; its source is read once, from above.

    Yields:
        The number of the first row, and the rows, float32 in [0, 1].
    """
    needed = [job.plan.rows(row) for row in range(job.plan.grid[0])]
    # Reflection can lead the last rows of tiles back above those before them.
    starts = np.minimum.accumulate([rows.start for rows in needed[::-1]])[::-1]
    first = stop = 0
    held = np.empty((0, job.plan.width, 1), np.float32)
    for rows, start in zip(needed, starts.tolist(), strict=True):
        held, first = held[start - first :], start
        if rows.stop > stop:
            kept, pixels = len(held), job.source.rows(stop, rows.stop)
            grown = np.empty((kept + len(pixels), *held.shape[1:]), np.float32)
            grown[:kept] = held
            for piece in range(0, len(pixels), _PIECE):
                nir = job.preparation.apply(pixels[piece : piece + _PIECE])
                grown[kept + piece : kept + piece + len(nir), :, 0] = nir
            held, stop = grown, rows.stop
        yield first, held
