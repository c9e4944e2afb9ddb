"""The tiles of many images through the network: batches that do not end where an image does.

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

from haqagen_jax.inference.picture import Job, Picture, bands
from haqagen_jax.inference.predictor import TilePredictor
from haqagen_jax.system.prefetch import prefetch

_IN_FLIGHT = 2  # batches: one computes while another is cut or blended


class _Tile(NamedTuple):
    picture: Picture
    origin: tuple[int, int]
    nir: Float32[np.ndarray, "tile tile c"]


class Engine:
    """Colors images, each to its own sink; used once."""

    def __init__(self, predictor: TilePredictor, window: str) -> None:
        """Begins without an image.

        Args:
            predictor: of tiles.
            window: they are blended by.
        """
        self._predictor, self._window = predictor, window
        self._batch: list[_Tile] = []
        self._flight: deque[tuple[list[_Tile], jax.Array]] = deque()

    def run(self, jobs: Iterable[Job]) -> None:
        """Colors images; their sinks hear how it went.

        Args:
            jobs: the next one is asked for before the last one is done.
        """
        for job in jobs:
            try:
                picture = Picture(job, self._window)
            except Exception as error:
                job.sink.fail(error)
                continue
            self._feed(picture)
        if self._batch:
            self._start()
        while self._flight:
            self._collect()

    def _feed(self, picture: Picture) -> None:
        """Puts tiles into batches, which leave when they are full or another size of tile comes."""
        with contextlib.closing(_tiles(picture)) as source:
            while not picture.failed:
                tile = None
                with picture.blamed():
                    tile = next(source, None)
                if tile is None:
                    return
                if self._batch and self._batch[0].nir.shape != tile.nir.shape:
                    self._start()
                self._batch.append(tile)
                if len(self._batch) == self._predictor.batch:
                    self._start()

    def _start(self) -> None:
        """Sends a batch to the device; what is missing in it is repeated."""
        tiles, self._batch = self._batch, []
        full = [*tiles, *tiles[-1:] * (self._predictor.batch - len(tiles))]
        with _all_blamed(tiles):
            result = self._predictor(np.stack([tile.nir for tile in full]))
            self._flight.append((tiles, result))
        if len(self._flight) >= _IN_FLIGHT:
            self._collect()

    def _collect(self) -> None:
        """Waits for the oldest batch and blends it."""
        tiles, result = self._flight.popleft()
        results: Iterable[np.ndarray] = ()
        with _all_blamed(tiles):
            results = self._predictor.fetch(result)
        # Outside: a sink that raises what ends an image ends all work.
        for tile, values in zip(tiles, results, strict=False):
            if not tile.picture.failed:
                with tile.picture.blamed():
                    tile.picture.take(values, tile.origin)


def _tiles(picture: Picture) -> Generator[_Tile]:
    plan = picture.job.plan
    with contextlib.closing(prefetch(bands(picture.job))) as rows:
        for row, (first, band) in enumerate(rows):
            for column in range(plan.grid[1]):
                origin = row * plan.stride, column * plan.stride
                nir = picture.job.preparation.planes(plan.extract(band, origin, first))
                yield _Tile(picture, origin, nir)


@contextlib.contextmanager
def _all_blamed(tiles: list[_Tile]) -> Iterator[None]:
    """Ends all images of a batch that cannot be computed."""
    try:
        yield
    except Exception as error:
        for tile in tiles:
            tile.picture.fail(error)
