"""Many images in one run: batches are full, and one failure leaves the other images alone."""

import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.images.stream import ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.job import Job, bands
from haqagen_jax.inference.predictor import tiles_that_fit
from haqagen_jax.inference.settings import Settings
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.preparation import Preparation

PLAIN = Config(data=DataConfig(equalize=False, clamp=256))


class Output(NamedTuple):
    rgb: jax.Array


class Identity:
    """Returns its input as gray."""

    def apply(self, variables, nir):
        return Output(jnp.repeat(nir, 3, -1))


class RecordingSink:
    """A sink that records its calls."""

    def __init__(self):
        self.rows, self.closed, self.error = [], False, None

    def write(self, rows):
        assert not self.closed
        assert self.error is None
        self.rows.append(rows)

    def close(self):
        self.closed = True

    def fail(self, error):
        assert self.error is None
        self.error = error

    @property
    def image(self):
        return np.concatenate(self.rows)


class BrokenSource(ArraySource):
    """A source that cannot be read beyond some row, from the second pass on."""

    def __init__(self, image, until):
        super().__init__(image)
        self.until, self.readings = until, [0]  # a list, which copies share

    def rows(self, start, stop):
        self.readings[0] += start == 0
        if self.readings[0] > 1 and stop > self.until:
            raise InputError("damaged")
        return super().rows(start, stop)


def random_image(height, width, seed=0):
    """Make a random image from 0 to 1, so that preparation changes nothing."""
    image = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    image.flat[: min(2, image.size)] = (0, 1)[: image.size]
    return image


def colorizer(**options):
    plain = {"tile": 8, "stride": 6, "batch": 4, "mode": "sliding", "stretch": (0.0, 100.0)}
    options = plain | options
    return Colorizer(Identity(), {}, PLAIN, settings=Settings(**options))


def stored_image(height, width):
    """Return a random image of 16 bits, which is read once to prepare it."""
    return (random_image(height, width) * 65_535).astype(np.uint16)


def record_batches(model, monkeypatch):
    """Return a list that gets the size of each batch that the model computes."""
    calls, predict = [], model._predictor._predict

    def count(*args):
        calls.append(len(args[1]))
        return predict(*args)

    monkeypatch.setattr(model._predictor, "_predict", count)
    return calls


def test_small_images_share_batches(monkeypatch):
    model = colorizer()
    calls = record_batches(model, monkeypatch)
    # One tile each, except for the last four.
    images = [random_image(7, 5 + i, i) for i in range(8)]
    sinks = [RecordingSink() for _ in images]
    model.run([model.job(ArraySource(i), s) for i, s in zip(images, sinks, strict=True)])
    tiles = sum(len(TilePlan(*i.shape, tile=8, stride=6)) for i in images)
    assert len(calls) == -(-tiles // 4)
    assert set(calls) == {4}
    for image, sink in zip(images, sinks, strict=True):
        assert sink.closed
        np.testing.assert_allclose(sink.image[..., 1], image, atol=1e-6)


def test_all_sizes_share_one_compilation(monkeypatch):
    model = colorizer()
    for size in ((1, 1), (8, 8), (15, 9), (40, 33), (300, 9)):
        model.colorize(random_image(*size) if size != (1, 1) else np.full((1, 1), 0.3))
    assert model._predictor._predict._cache_size() == 1


@pytest.mark.parametrize("mode", ["sliding", "whole"])
def test_an_image_that_fails_does_not_stop_the_others(mode):
    model = colorizer(mode=mode, size=16, radius=2)
    image = stored_image(300, 30)  # larger than `clamp`
    sources = [ArraySource(image), BrokenSource(image, 20), ArraySource(image)]
    if mode == "whole":  # read one more time, to reduce it
        sources[1].readings[0] = -1
    sinks = [RecordingSink() for _ in sources]
    model.run(model.job(source, sink) for source, sink in zip(sources, sinks, strict=True))
    assert [sink.closed for sink in sinks] == [True, False, True]
    assert [str(sink.error) for sink in sinks] == ["None", "damaged", "None"]
    np.testing.assert_array_equal(sinks[0].image, sinks[2].image)


def test_a_sink_that_fails_does_not_stop_the_others():
    class FullSink(RecordingSink):
        def write(self, rows):
            raise InputError("the disk is full")

    model, image = colorizer(), random_image(40, 30)
    sinks = [FullSink(), RecordingSink()]
    model.run(model.job(ArraySource(image), sink) for sink in sinks)
    assert str(sinks[0].error) == "the disk is full"
    assert sinks[1].closed


def test_a_sink_that_fails_to_close_gets_the_error():
    class FailingClose(RecordingSink):
        def close(self):
            raise InputError("too late")

    model, sink = colorizer(), FailingClose()
    model.run([model.job(ArraySource(random_image(9, 9)), sink)])
    assert str(sink.error) == "too late"


def test_no_thread_is_left_running():
    before = threading.active_count()
    model = colorizer()
    model.run([model.job(BrokenSource(stored_image(40, 30), 20), RecordingSink())])
    assert threading.active_count() == before


def test_images_do_not_depend_on_others_in_the_batch():
    class Mean:
        """Depends on the mean of its tile, as a network that normalizes its input does."""

        def apply(self, variables, nir):
            return Output(jnp.repeat(0.5 * nir + 0.5 * nir.mean((1, 2), keepdims=True), 3, -1))

    model = Colorizer(
        Mean(), {}, PLAIN, settings=Settings(tile=8, stride=6, batch=3, mode="sliding")
    )
    images = [random_image(*size, seed) for seed, size in enumerate(((300, 9), (5, 5), (260, 7)))]
    sinks = [RecordingSink() for _ in images]
    model.run([model.job(ArraySource(i), s) for i, s in zip(images, sinks, strict=True)])
    for image, sink in zip(images, sinks, strict=True):
        np.testing.assert_allclose(sink.image, model.colorize(image), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3, 6, 8])
def test_a_batch_runs_on_as_many_devices_as_it_fills(batch):
    assert jax.local_device_count() == 4
    model = colorizer(batch=batch)
    used = min(batch, 4)
    assert model._predictor.batch == -(-batch // used) * used
    image = random_image(30, 23)
    np.testing.assert_allclose(model.colorize(image)[..., 0], image, atol=1e-6)
    result = model._predictor(np.zeros((model._predictor.batch, 8, 8, 1), np.float32))
    assert len(result.sharding.device_set) == used


def test_the_batch_size_follows_from_the_memory():
    assert tiles_that_fit(10_000, 100) == 32
    assert tiles_that_fit(3_000, 100) == 8
    assert tiles_that_fit(150, 100) == 1
    assert tiles_that_fit(0, 0) == 1


class Accelerator(NamedTuple):
    """A device with what the choice of the batch size reads."""

    stats: dict | None
    platform: str = "gpu"

    def memory_stats(self):
        return self.stats


class Program:
    """A jitted function that counts how often it is compiled; a tile needs 1,000 bytes."""

    def __init__(self):
        self.batches = []

    def lower(self, variables, nir):
        self.batches.append(nir.shape[0])
        return self

    def compile(self):
        return self

    def __call__(self, *inputs):
        raise NotImplementedError

    def memory_analysis(self):
        # For one of the two devices that share the batch.
        return MemoryStats(temp_size_in_bytes=self.batches[-1] // 2 * 1000, output_size_in_bytes=0)


class MemoryStats(NamedTuple):
    temp_size_in_bytes: int
    output_size_in_bytes: int


@pytest.mark.parametrize(
    ("stats", "batch", "compiled"),
    [
        ({"bytes_limit": 10**9, "bytes_in_use": 0}, 64, [64]),
        ({"bytes_limit": 10**9, "bytes_in_use": 10**9 - 100}, 2, [64, 2]),
        ({"bytes_limit": 9_000, "bytes_in_use": 0}, 8, [64, 8]),
        ({}, 2, []),
        (None, 2, []),
    ],
)
def test_the_batch_fits_into_the_memory_of_two_accelerators(stats, batch, compiled):
    """The program whose memory is measured is the one that runs."""
    program, predictor = Program(), colorizer()._predictor
    found = predictor._fitting(program, [Accelerator(stats)] * 2, channels=1)
    assert found == (batch, program)
    assert program.batches == compiled


def test_colors_that_are_not_finite_are_refused():
    class Overflowing:
        def apply(self, variables, nir):
            return Output(jnp.repeat(nir / 0.0, 3, -1))

    model = Colorizer(Overflowing(), {}, PLAIN, settings=Settings(tile=8, stride=6, batch=1))
    with pytest.raises(InputError, match="colors that are not finite; give another --model"):
        model.colorize(random_image(9, 9))


def test_any_exception_of_a_source_fails_its_image_alone():
    class FailingSource(ArraySource):
        readings = 0

        def rows(self, start, stop):
            self.readings += 1
            if self.readings > 1:
                raise TypeError("unhashable type")
            return super().rows(start, stop)

    model, image = colorizer(), stored_image(40, 30)
    sinks = [RecordingSink(), RecordingSink()]
    sources = [FailingSource(image), ArraySource(image)]
    model.run(model.job(source, sink) for source, sink in zip(sources, sinks, strict=True))
    assert isinstance(sinks[0].error, TypeError)
    assert sinks[1].closed


@settings(deadline=None, max_examples=100)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 9)),
    tile=st.integers(1, 16),
    stride=st.integers(1, 16),
    border=st.integers(0, 4),
)
def test_bands_hold_the_pixels_of_their_tiles(size, tile, stride, border):
    image = random_image(*size)
    plan = TilePlan(*size, tile=tile, stride=min(stride, tile), border=border)
    job = Job(ArraySource(image), Preparation(0.0, 1.0, None), plan, RecordingSink())
    rows = 0
    for row, (first, band) in enumerate(bands(job)):
        rows += 1
        assert len(band) <= 2 * (tile + border)
        for column in range(plan.grid[1]):
            origin = row * plan.stride, column * plan.stride
            got = plan.extract(band, origin, first)
            np.testing.assert_array_equal(got, plan.extract(image[..., None], origin))
    assert rows == plan.grid[0]
