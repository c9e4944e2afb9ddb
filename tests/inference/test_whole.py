"""Whole mode: coefficients at the working size, and detail at the image's own size."""

import tracemalloc
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.images.resize import enlarge
from haqagen_jax.images.stream import ArraySink, ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.detail import AffineSink
from haqagen_jax.inference.forward import TOLERANCE
from haqagen_jax.inference.settings import MOSAIC, Settings
from haqagen_jax.nir.preparation import Preparation
from haqagen_jax.ops.guided import guided_coefficients

PLAIN = Config(data=DataConfig(equalize=False))


class Output(NamedTuple):
    rgb: jax.Array


class Tinted:
    """Colors each pixel by its value alone; records the shapes that it is traced with."""

    def __init__(self):
        self.shapes = []

    def apply(self, variables, nir):
        self.shapes.append(nir.shape)
        return Output(jnp.concatenate([0.2 + 0.5 * nir, nir, 1 - nir], -1))


def tinted(nir):
    return np.stack([0.2 + 0.5 * nir, nir, 1 - nir], -1)


class Flat:
    """Returns one color for every input."""

    def apply(self, variables, nir):
        return Output(jnp.broadcast_to(jnp.array([0.2, 0.5, 0.7]), (*nir.shape[:3], 3)))


class Mean:
    """Returns the mean of its input, which differs from window to window."""

    def apply(self, variables, nir):
        mean = nir.mean((1, 2), keepdims=True)
        return Output(jnp.broadcast_to(mean, (*nir.shape[:3], 3)))


def smooth_image(height, width, seed=0):
    """Make an image that preparation does not change (0 to 1) and reducing changes little."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    nir = np.sin(y / 9 + rng.random()) * np.cos(x / 7) + 0.3 * np.sin((x + y) / 31)
    nir = (nir - nir.min()) / max(np.ptp(nir), 1e-9)
    return nir.astype(np.float32)


def colorizer(network, **options: Any) -> Colorizer:
    options = {"size": 32, "radius": 3, "batch": 1} | options
    return Colorizer(network, {}, PLAIN, settings=Settings(**options))


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (17, 33), (64, 96), (101, 3)])
@pytest.mark.parametrize("detail", ["guided", "network"])
def test_colors_of_single_pixels_are_kept_at_any_size(size, detail):
    nir = smooth_image(*size)
    rgb = colorizer(Tinted(), detail=detail, eps=1e-6).colorize(nir)
    # Guided colors have all the detail; the network's own are reduced and enlarged again.
    kept = detail == "guided" or max(size) <= 32
    np.testing.assert_allclose(rgb, tinted(nir), rtol=0, atol=0.02 if kept else 0.35)


def test_images_of_all_sizes_need_two_input_shapes():
    network = Tinted()
    model = colorizer(network, size=512, radius=8)
    for size in ((700, 400), (1000, 900), (300, 512), (256, 20), (9, 9)):
        model.colorize(smooth_image(*size))
    assert set(network.shapes) == {(1, 512, 512, 1), (1, 256, 256, 1)}
    assert model._predictor._predict._cache_size() == 2


def test_an_image_of_the_working_size_gets_the_guided_filter():
    class Noise:
        def apply(self, variables, nir):
            return Output(jax.random.uniform(jax.random.key(0), (*nir.shape[:3], 3)))

    nir = smooth_image(32, 32)
    rgb = colorizer(Noise(), eps=1e-2, stretch=(0.0, 100.0)).colorize(nir)
    noise = Noise().apply({}, nir[None, ..., None]).rgb
    guide = jnp.asarray(nir)[None, ..., None]
    fitted = guided_coefficients(guide, noise, radius=3, eps=1e-2, tolerance=TOLERANCE)
    expected = fitted.apply(guide)[0]
    np.testing.assert_allclose(rgb, np.clip(expected, 0, 1), rtol=0, atol=1e-5)


def test_a_mosaic_is_seen_in_windows_whose_coefficients_are_blended():
    network = Mean()
    nir = smooth_image(90, 70)
    model = colorizer(network, size=16, radius=2)
    mosaic = np.empty((90, 70, 3), np.float32)
    job = model.job(ArraySource(nir), ArraySink(mosaic), mosaic=True)
    assert len(job.plan) > 50
    model.run([job])
    # Each window has another mean, and blending leaves no large step between them.
    steps = np.abs(np.diff(mosaic, axis=0)).max(), np.abs(np.diff(mosaic, axis=1)).max()
    assert np.ptp(mosaic) > 0.3
    assert max(steps) < 0.08


def test_a_long_image_is_a_mosaic():
    model = colorizer(Flat(), size=16, radius=2)
    for length, windows in ((MOSAIC * 16, 1), (MOSAIC * 16 + 1, 40)):
        job = model.job(
            ArraySource(smooth_image(length, 4)), ArraySink(np.empty((length, 4, 3), "f4"))
        )
        assert len(job.plan) >= windows
        assert (len(job.plan) == 1) == (windows == 1)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [((1, 20_000), "uint8"), ((20_000, 3), "uint16"), ((1, 1), "uint16"), ((2, 1), "uint8")],
)
@pytest.mark.parametrize("options", [{}, {"detail": "network"}, {"scale": 0.3}, {"scale": 1e-6}])
def test_a_constant_color_stays_constant(size, options, dtype):
    """No seam, no border, no loss of depth, whatever the shape."""
    top = np.iinfo(dtype).max
    nir = (smooth_image(*size) * top).astype(dtype)
    rgb = np.empty((*size, 3), dtype)
    model = colorizer(Flat(), size=64, batch=4, **options)
    model.run([model.job(ArraySource(nir), ArraySink(rgb), mosaic=True)])
    expected = np.array([0.2, 0.5, 0.7]) * top
    assert np.abs(rgb - expected).max() <= 1  # level, for rounding


def test_one_row_is_colored_like_many_equal_rows():
    row = smooth_image(1, 2000)
    model = colorizer(Mean(), size=32, batch=4, eps=1e-6)
    one, many = np.empty((1, 2000, 3), np.float32), np.empty((40, 2000, 3), np.float32)
    for nir, rgb in ((row, one), (row.repeat(40, 0), many)):
        model.run([model.job(ArraySource(nir), ArraySink(rgb), mosaic=True)])
    assert np.ptp(one) > 0.3
    np.testing.assert_allclose(many, one.repeat(40, 0), rtol=0, atol=1e-5)


def test_applying_coefficients_takes_little_memory():
    class NullSink:
        def write(self, rows):
            assert rows.shape[1:] == (4096, 3)

        def close(self):
            pass

        def fail(self, error):
            raise error

    nir = np.zeros((512, 4096), np.uint8)
    sink = AffineSink(ArraySource(nir), Preparation(0.0, 255.0, None), nir.shape, NullSink())
    rows = np.zeros((256, 4096, 6), np.float32)  # 25 MB
    tracemalloc.start()
    for _ in range(2):
        sink.write(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.21])
def test_a_mosaic_may_be_seen_at_another_scale(scale):
    nir = smooth_image(120, 80)
    model = colorizer(Tinted(), size=32, scale=scale, eps=1e-6)
    out = np.empty((120, 80, 3), np.float32)
    job = model.job(ArraySource(nir), ArraySink(out), mosaic=True)
    assert (job.plan.height, job.plan.width) == (round(120 * scale), round(80 * scale))
    model.run([job])
    np.testing.assert_allclose(out, tinted(nir), rtol=0, atol=0.02)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 50),
    st.integers(0, 50),
    st.lists(st.integers(1, 7), min_size=1, max_size=20),
)
def test_rows_written_in_parts_equal_one_interpolation(low, wide, more, wider, parts):
    """Against bilinear interpolation of the whole, in numpy."""
    rng = np.random.default_rng(low + 31 * wide)
    height, width = low + more, wide + wider
    model = rng.standard_normal((low, wide, 6)).astype(np.float32)
    nir = rng.random((height, width), np.float32)
    out = np.empty((height, width, 3), np.float32)
    unchanged = Preparation(0.0, 1.0, None)
    sink = AffineSink(ArraySource(nir), unchanged, (low, wide), ArraySink(out))
    done = 0
    for part in [*parts, low]:
        sink.write(model[done : done + part])
        done = min(low, done + part)
    sink.close()
    axes = [
        np.clip((np.arange(n) + 0.5) * small / n - 0.5, 0, small - 1)
        for n, small in ((height, low), (width, wide))
    ]
    (y0, y1, v), (x0, x1, u) = (
        (np.floor(p).astype(int), np.minimum(np.floor(p).astype(int) + 1, n - 1), p % 1)
        for p, n in zip(axes, (low, wide), strict=True)
    )
    v, u = v[:, None, None], u[None, :, None]
    above = model[y0][:, x0] * (1 - u) + model[y0][:, x1] * u
    below = model[y1][:, x0] * (1 - u) + model[y1][:, x1] * u
    full = above * (1 - v) + below * v
    expected = np.clip(full[..., :3] * nir[..., None] + full[..., 3:], 0, 1)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-4)


def test_enlarging_to_the_same_size_changes_nothing():
    rows = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    found = enlarge(rows, (9, 3), first=2, height=9, start=3, stop=5)
    np.testing.assert_array_equal(found, rows[1:3])


def test_an_ensemble_averages_the_mirror_image_and_half_the_size():
    network = Tinted()
    nir = smooth_image(512, 512)
    model = colorizer(network, size=512, ensemble=True, eps=1e-6)
    rgb = model.colorize(nir)
    assert set(network.shapes) == {(1, 512, 512, 1), (1, 256, 256, 1)}
    np.testing.assert_allclose(rgb, tinted(nir), rtol=0, atol=0.02)

    class Ramp:
        """A ramp from left to right, whatever the input."""

        def apply(self, variables, nir):
            ramp = jnp.linspace(0, 1, nir.shape[2])[None, None, :, None]
            return Output(jnp.broadcast_to(ramp, (*nir.shape[:3], 3)))

    rgb = colorizer(Ramp(), size=32, detail="network", ensemble=True).colorize(smooth_image(32, 32))
    np.testing.assert_allclose(rgb, 0.5, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "hole"}, "mode = 'hole': must be one of whole, sliding"),
        ({"detail": "fine"}, "detail = 'fine': must be one of guided, network"),
        ({"size": 0}, "size = 0: must be from 16 to 8192"),
        ({"size": 16, "radius": 17}, "radius = 17: must be from 1 to 16"),
        ({"radius": 0}, "radius = 0: must be from 1"),
        ({"eps": 9e-7}, "eps = 9e-07: must be from 1e-06 to 1e"),
        ({"eps": float("nan")}, "eps = nan: must be from 1e-06"),
        ({"scale": 1.5}, r"scale = 1\.5: must be from 1e-06 to 1"),
        ({"scale": 0.0}, r"scale = 0\.0: must be from 1e-06 to 1"),
        ({"scale": float("inf")}, "scale = inf: must be from 1e-06 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Settings(**options)


def test_a_georeferenced_file_is_a_mosaic(tmp_path):
    from haqagen_jax.images.source import open_nir

    nir = (smooth_image(40, 30) * 255).astype(np.uint8)
    georeference = [(33550, 12, 3, (1.0, 1.0, 0.0), True), (33922, 12, 6, (0.0,) * 6, True)]
    for name, tags, expected in (
        ("plain.tif", [], False),
        ("georeferenced.tif", georeference, True),
    ):
        tifffile.imwrite(tmp_path / name, nir, extratags=tags)
        assert open_nir(tmp_path / name).header.carried.georeferenced is expected
