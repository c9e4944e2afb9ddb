"""The pipeline of inference: tiles of many images share batches.

Pixels are read and prepared ahead by other threads, the device computes one batch while the next is
cut and the last is blended, and rows go to their sink as soon as they are finished. Memory holds a
few rows of tiles of one image and two batches, however high the images are.
"""

import contextlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32

from haqagen_jax.inference.filling import filled
from haqagen_jax.inference.job import ActiveJob, Job, bands, fill
from haqagen_jax.inference.predictor import TilePredictor
from haqagen_jax.system.prefetch import prefetch

_IN_FLIGHT = 2  # batches: one computes while another is cut or blended


class _Tile(NamedTuple):
    """A tile: prepared NIR and, where a part of it holds no data, the weight of each pixel."""

    owner: ActiveJob
    origin: tuple[int, int]
    nir: Float32[np.ndarray, "tile tile c"]


class Engine:
    """Color images, each to its own sink; used once."""

    def __init__(self, predictor: TilePredictor, window: str) -> None:
        """Begin with empty batches.

        Args:
            predictor: Predicts batches of tiles.
            window: Name of the blending window; see `haqagen_jax.ops.windows`.
        """
        self._predictor, self._window = predictor, window
        self._batch: list[_Tile] = []
        self._flight: deque[tuple[list[_Tile], jax.Array]] = deque()

    def run(self, jobs: Iterable[Job]) -> None:
        """Run jobs in order; each sink is told how its image ended.

        Args:
            jobs: The images to color; the next one is drawn before the last one is done.
        """
        for job in jobs:
            if job.constant is not None:
                fill(job)
                continue
            try:
                active = ActiveJob(job, self._window)
            except Exception as error:
                job.sink.fail(error)
                continue
            self._feed(active)
        if self._batch:
            self._start()
        while self._flight:
            self._collect()

    def _feed(self, active: ActiveJob) -> None:
        """Fill batches with tiles; a batch starts when it is full or the tile size changes."""
        with contextlib.closing(_tiles(active)) as tiles:
            while not active.failed:
                tile = None
                with active.blamed():
                    tile = next(tiles, None)
                if tile is None:
                    return
                if self._batch and self._batch[0].nir.shape != tile.nir.shape:
                    self._start()
                self._batch.append(tile)
                if len(self._batch) == self._predictor.batch:
                    self._start()

    def _start(self) -> None:
        """Start to predict the batch, padded to its full length with copies of the last tile."""
        tiles, self._batch = self._batch, []
        full = [*tiles, *tiles[-1:] * (self._predictor.batch - len(tiles))]
        with _all_blamed(tiles):
            result = self._predictor(np.stack([tile.nir for tile in full]))
            self._flight.append((tiles, result))
        if len(self._flight) >= _IN_FLIGHT:
            self._collect()

    def _collect(self) -> None:
        """Wait for the oldest batch and blend it."""
        tiles, result = self._flight.popleft()
        results: Iterable[np.ndarray] = ()
        with _all_blamed(tiles):
            results = self._predictor.fetch(result)
        # Outside of the block above, as a sink may raise in `fail` to end all work.
        for tile, values in zip(tiles, results, strict=False):
            if not tile.owner.failed:
                with tile.owner.blamed():
                    tile.owner.take(values, tile.origin)


def _tiles(active: ActiveJob) -> Generator[_Tile]:
    """Cut the tiles of an image in the plan's order, as they are asked for."""
    plan = active.job.plan
    with contextlib.closing(prefetch(bands(active.job))) as rows:
        for row, (first, band) in enumerate(rows):
            for column in range(plan.grid[1]):
                origin = row * plan.stride, column * plan.stride
                tile = filled(plan.extract(band, origin, first))
                planes = active.job.preparation.planes(tile[..., :1])
                nir = (
                    np.concatenate([planes, tile[..., 1:]], axis=-1)
                    if tile.shape[-1] > 1
                    else planes
                )
                yield _Tile(active, origin, nir)


@contextlib.contextmanager
def _all_blamed(tiles: list[_Tile]) -> Iterator[None]:
    """Give up all images of a batch that cannot be computed."""
    try:
        yield
    except Exception as error:
        for tile in tiles:
            tile.owner.fail(error)
