"""The tiles of many pictures through the network: batches that do not end where a picture does.

Pixels are read and prepared ahead by other threads, the device computes one batch while the next is
cut and the last is blended, and rows go to their sink as soon as they are finished. Memory holds a
few rows of tiles of one picture and two batches, however high the pictures are.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32

from haqagen_jax.inference.picture import Job, Pass, Picture, bands
from haqagen_jax.inference.predictor import TilePredictor
from haqagen_jax.prefetch import prefetch

_IN_FLIGHT = 2  # batches: one computes while another is cut or blended


class _Tile(NamedTuple):
    picture: Picture
    window: Pass
    origin: tuple[int, int]
    nir: Float32[np.ndarray, "tile tile c"]
    target: Float32[np.ndarray, "tile tile 3"] | None


class Engine:
    """Colours pictures, each to its own sink; used once."""

    def __init__(self, predictor: TilePredictor, window: str) -> None:
        """Begins without a picture.

        Args:
            predictor: of tiles.
            window: they are blended by.
        """
        self._predictor, self._window = predictor, window
        self._batch: list[_Tile] = []
        self._flight: deque[tuple[list[_Tile], jax.Array]] = deque()

    def run(self, jobs: Iterable[Job]) -> None:
        """Colours pictures; their sinks hear how it went.

        Args:
            jobs: the next one is asked for before the last one is done.
        """
        before: Picture | None = None
        for job in jobs:
            try:
                picture = Picture(job, self._window)
            except Exception as error:
                job.sink.fail(error)
                continue
            self._feed(picture, _coarse_tiles)
            # The coarse tiles of this picture fill the batches while those of the one before, which
            # its detail waits for, are computed.
            if before is not None:
                self._finish(before)
            before = picture
        if before is not None:
            self._finish(before)
        if self._batch:
            self._start()
        while self._flight:
            self._collect()

    def _finish(self, picture: Picture) -> None:
        while picture.coarse is not None and picture.coarse.missing and not picture.failed:
            if self._flight:
                self._collect()
            else:
                self._start()
        self._feed(picture, _detail_tiles)

    def _feed(self, picture: Picture, tiles: Callable[[Picture], Generator[_Tile]]) -> None:
        """Puts tiles into batches, which leave when they are full."""
        with contextlib.closing(tiles(picture)) as source:
            while not picture.failed:
                with picture.blamed():
                    tile = next(source, None)
                    if tile is None:
                        return
                    self._batch.append(tile)
                if len(self._batch) == self._predictor.batch:
                    self._start()

    def _start(self) -> None:
        """Sends a batch to the device; what is missing in it is repeated."""
        tiles, self._batch = self._batch, []
        full = [*tiles, *tiles[-1:] * (self._predictor.batch - len(tiles))]
        nothing = np.zeros((*tiles[0].nir.shape[:2], 3), np.float32)
        with _all_blamed(tiles):
            result = self._predictor(
                np.stack([tile.nir for tile in full]),
                np.stack([nothing if tile.target is None else tile.target for tile in full]),
                np.array(
                    [0.0 if tile.target is None else tile.picture.reach for tile in full],
                    np.float32,
                ),
            )
            self._flight.append((tiles, result))
        if len(self._flight) >= _IN_FLIGHT:
            self._collect()

    def _collect(self) -> None:
        """Waits for the oldest batch and blends it."""
        tiles, result = self._flight.popleft()
        colours: Iterable[np.ndarray] = ()
        with _all_blamed(tiles):
            colours = self._predictor.fetch(result)
        # Outside: a sink that raises what ends a picture ends all work.
        for tile, rgb in zip(tiles, colours, strict=False):
            if not tile.picture.failed:
                with tile.picture.blamed():
                    tile.picture.take(tile.window, rgb, tile.origin)


def _coarse_tiles(picture: Picture) -> Generator[_Tile]:
    coarse, window = picture.job.coarse, picture.coarse
    if coarse is not None and window is not None:
        for origin in coarse.plan.origins:
            nir = picture.job.preparation.planes(coarse.plan.extract(coarse.nir, origin))
            yield _Tile(picture, window, origin, nir, None)


def _detail_tiles(picture: Picture) -> Generator[_Tile]:
    plan = picture.job.plan
    with contextlib.closing(prefetch(bands(picture.job))) as rows:
        for row, (first, band) in enumerate(rows):
            for column in range(plan.grid[1]):
                origin = row * plan.stride, column * plan.stride
                nir = picture.job.preparation.planes(plan.extract(band, origin, first))
                yield _Tile(picture, picture.detail, origin, nir, picture.target(origin))


@contextlib.contextmanager
def _all_blamed(tiles: list[_Tile]) -> Iterator[None]:
    """Ends all pictures of a batch that cannot be computed."""
    try:
        yield
    except Exception as error:
        for tile in tiles:
            tile.picture.fail(error)
