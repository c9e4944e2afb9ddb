"""The identity network returns the image; a local network gives the same tiled and untiled."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.images.stream import ArraySink, ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings
from haqagen_jax.nir.network_input import prepare

PLAIN = Config(data=DataConfig(equalize=False))
TILINGS = ((8, 7), (8, 5), (8, 8), (5, 3))  # (tile, stride)
SIZES = st.integers(1, 30)


class Output(NamedTuple):
    rgb: jax.Array


class Identity:
    """Repeats its input, scaled by a variable; counts how often it is traced."""

    def __init__(self):
        self.traces = 0

    def apply(self, variables, nir):
        self.traces += 1
        return Output(jnp.repeat(nir * variables["scale"], 3, -1))


class Blur:
    """A 3x3 mean with zero padding around its tile."""

    def apply(self, variables, nir):
        kernel = jnp.full((3, 3, 1, 1), 1 / 9, jnp.float32)
        blurred = jax.lax.conv_general_dilated(
            nir, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return Output(jnp.repeat(blurred, 3, -1))


class Planes:
    """Returns both channels of its input as colors."""

    def apply(self, variables, nir):
        return Output(jnp.concatenate([nir, nir[..., :1]], -1))


def sliding(tile, stride, batch):
    return Settings(tile=tile, stride=stride, batch=batch, mode="sliding", stretch=(0.0, 100.0))


@functools.cache
def identity(tile, stride, batch=3, scale=1.0, config=PLAIN):
    variables = {"scale": jnp.float32(scale)}
    return Colorizer(Identity(), variables, config, settings=sliding(tile, stride, batch))


def full_range(height, width, seed, dtype):
    """A random image from 0 to the type's maximum, so that min-max changes nothing."""
    rng = np.random.default_rng(seed)
    top = 1.0 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    image = (rng.random((height, width)) * top).astype(dtype)
    if image.size > 1:
        image.flat[rng.choice(image.size, 2, replace=False)] = 0, top
    return image


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@settings(deadline=None, max_examples=25)
@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
def test_the_identity_network_returns_the_image(tiling, dtype, height, width, seed):
    nir = full_range(height, width, seed, dtype)
    rgb = identity(*tiling).colorize(nir)
    assert rgb.shape == (height, width, 3)
    assert rgb.dtype == dtype
    want = np.repeat(nir[..., None], 3, -1)
    np.testing.assert_allclose(rgb, want, rtol=0, atol=1e-6 if dtype == "float32" else 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 2), (255, 257), (256, 600)])
def test_the_identity_network_returns_the_image_at_the_papers_tiling(shape):
    nir = full_range(*shape, seed=1, dtype="uint16")
    rgb = identity(256, 222, batch=1).colorize(nir)
    np.testing.assert_array_equal(rgb, np.repeat(nir[..., None], 3, -1))


@pytest.mark.parametrize(("tile", "stride"), [(16, 13), (32, 20)])
def test_a_local_model_tiled_equals_untiled(tile, stride):
    nir = full_range(70, 53, seed=2, dtype="float32")
    model = Colorizer(Blur(), {}, PLAIN, settings=sliding(tile, stride, 2))
    got = model.colorize(nir)[..., 0]
    want = ndimage.uniform_filter(nir, 3, mode="mirror")
    on_a_border = np.zeros((500, 500), bool)  # rows and columns where some tile ends
    for start in range(0, 200, stride):
        for edge in (start, start + tile - 1):
            on_a_border[edge], on_a_border[:, edge] = True, True
    steps = [1 + -(-(size - tile) // stride) for size in nir.shape]
    top, left = ((n - 1) * stride + tile - s for n, s in zip(steps, nir.shape, strict=True))
    inside = ~on_a_border[top // 2 :, left // 2 :][: nir.shape[0], : nir.shape[1]]
    assert inside.mean() > 0.5
    np.testing.assert_allclose(got[inside], want[inside], atol=2e-6)
    # On a tile's border the model is wrong, and the window gives it next to no weight.
    edge_weight = np.sin(np.pi / 2 / tile) ** 2
    half = tile // 2
    middle = np.s_[half:-half, half:-half]
    assert np.abs(got - want)[middle].max() < 4 * edge_weight


def test_all_sizes_share_one_compilation():
    network = Identity()
    model = Colorizer(network, {"scale": jnp.float32(1)}, PLAIN, settings=sliding(8, 6, 4))
    for height, width in ((1, 1), (8, 8), (9, 40), (33, 7), (20, 20)):
        model.colorize(full_range(height, width, 0, "uint8"))
    assert network.traces == 1


def test_batches_are_colored_image_by_image():
    images = np.stack([full_range(9, 11, seed, "uint8") // (seed + 1) for seed in range(3)])
    model = identity(8, 5)
    got = model.colorize(images[..., None])
    assert got.shape == (3, 9, 11, 3)
    for image, rgb in zip(images, got, strict=True):
        np.testing.assert_array_equal(rgb, model.colorize(image))
        assert rgb.max() == 255


def test_arrays_of_other_layouts_and_types_are_colored_alike():
    nir = full_range(5, 6, 0, "float32")
    model = identity(8, 5)
    want = model.colorize(nir)
    np.testing.assert_array_equal(model.colorize(nir[..., None]), want)
    np.testing.assert_array_equal(model.colorize(jnp.asarray(nir)), want)
    np.testing.assert_allclose(model.colorize(nir.astype(np.float64)), want, atol=1e-6)
    assert model.colorize(np.arange(6).reshape(2, 3)).dtype == np.uint8


def test_float64_contrast_survives_a_large_offset():
    nir = full_range(5, 6, 0, "float32")
    got = identity(8, 5).colorize(nir.astype(np.float64) + 1e9)
    np.testing.assert_allclose(got[..., 2], nir, atol=1e-5)
    assert got.dtype == np.float32


def test_the_result_has_the_requested_dtype():
    nir = full_range(5, 6, 0, "uint8")
    model = identity(8, 5, scale=0.3)
    exact = model.colorize(nir, dtype=np.float32)
    np.testing.assert_allclose(exact[..., 0], nir / 255 * 0.3, atol=1e-6)
    np.testing.assert_array_equal(model.colorize(nir), np.rint(exact * 255))
    for dtype in ("float64", "foo"):
        with pytest.raises(InputError, match=f"dtype = {dtype}: must be uint8, uint16 or float32"):
            model.colorize(nir, dtype=dtype)


def test_bfloat16_input_gives_float32_colors():
    nir = jnp.asarray([[0.0, 0.25], [0.5, 1.0]], jnp.bfloat16)
    got = identity(8, 5).colorize(nir)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[..., 0], np.asarray(nir, np.float32), atol=1e-6)


def test_floats_near_the_largest_are_normalized():
    got = identity(8, 5).colorize(np.array([[1e308, -1e308, 0.0]]))
    np.testing.assert_allclose(got[0, :, 0], [1, 0, 0.5], atol=1e-6)


class Exhausted(Identity):
    """Fails as on a device that is out of memory."""

    def apply(self, variables, nir):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")


def test_running_out_of_device_memory_is_refused_in_one_line():
    model = Colorizer(Exhausted(), {}, PLAIN, settings=sliding(8, 5, 3))
    with pytest.raises(InputError, match=r"^batch = 3: .*more memory .* smaller batch or tile"):
        model.colorize(full_range(5, 6, 0, "uint8"))


def test_colors_of_linear_models_are_srgb_encoded():
    config = Config(data=DataConfig(equalize=False, rgb_transfer="linear"))
    nir = full_range(5, 6, 0, "float32")
    got = identity(8, 5, config=config).colorize(nir)[..., 1].astype(np.float64)
    decoded = np.where(got > 0.04045, ((got + 0.055) / 1.055) ** 2.4, got / 12.92)
    np.testing.assert_allclose(decoded, nir, atol=1e-5)


def test_equalization_uses_the_whole_image_not_the_tile():
    nir = np.sort(full_range(20, 20, 0, "uint16").ravel()).reshape(20, 20)
    got = identity(8, 5, config=Config()).colorize(nir, dtype=np.float32)[..., 0]
    np.testing.assert_allclose(got.ravel(), np.linspace(0, 1, 400), atol=0.01)


def test_progress_counts_tiles():
    calls = []
    identity(8, 8, batch=3).colorize(
        full_range(16, 32, 0, "uint8"), progress=lambda *args: calls.append(args)
    )
    assert calls == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize(
    ("nir", "message"),
    [
        (np.zeros((4, 5, 3), np.uint8), r"shape \(4, 5, 3\); give \(h, w\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 4, 4, 1), np.uint8), "no images"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        ([[1, 2], [3]], "nir is not an array .*; give rows of equal length"),
        ([["a"]], "pixels are <U1; give integers or floats"),
        (np.full((4, 5), np.nan, np.float32), "no pixels with data"),
    ],
)
def test_bad_arrays_are_refused(nir, message):
    with pytest.raises(InputError, match=message):
        identity(8, 5).colorize(nir)


@pytest.mark.parametrize(
    ("value", "dtype", "want"),
    [
        (0, "uint8", 0),
        (51, "uint8", 51),
        (255, "uint8", 255),
        (300, "uint16", 300),
        (9, "int64", 9),
        (300, "int32", 300),
        (0.25, "float32", 0.25),
        (1, "float16", 1),
        (4000, "float64", 0.5),
        (-1, "float32", 0.5),
    ],
)
@pytest.mark.parametrize("mode", ["sliding", "whole"])
def test_an_image_of_one_value_is_one_gray(value, dtype, want, mode):
    settings = Settings(tile=8, stride=5, batch=1, mode=mode, size=32)
    model = Colorizer(Identity(), {}, Config(), settings=settings)
    calls = []
    got = model.colorize(np.full((4, 50), value, dtype), progress=lambda *call: calls.append(call))
    np.testing.assert_array_equal(got, np.full((4, 50, 3), want, got.dtype))
    assert got.dtype.kind == ("f" if "float" in dtype else "u")
    assert calls == [(1, 1)]


def test_an_image_of_one_value_among_others():
    nir = np.stack([full_range(20, 30, seed, "uint8") for seed in range(3)])
    nir[1] = 7
    got = identity(8, 5).colorize(nir[..., None])
    np.testing.assert_array_equal(got, np.repeat(nir[..., None], 3, -1))


def test_an_image_of_one_value_may_be_refused():
    with pytest.raises(InputError, match="all 20 pixels have the value 3, which holds no picture"):
        identity(8, 5).colorize(np.full((4, 5), 3, np.uint8), strict=True)


@pytest.mark.parametrize(("option", "value"), [("tile", 0), ("stride", 9), ("batch", 0)])
def test_options_out_of_range_are_refused(option, value):
    options: dict[str, Any] = {"tile": 8, "stride": 5, "batch": 1} | {option: value}
    with pytest.raises(InputError, match=f"{option} = {value}"):
        Colorizer(Identity(), {}, PLAIN, settings=Settings(**options))


@pytest.mark.parametrize("size", [(5, 7), (30, 41)])
@pytest.mark.parametrize("mode", ["sliding", "whole"])
def test_the_hsv_value_reaches_a_network_that_takes_it(size, mode):
    """In tiles that are blended, and in whole mode."""
    data = DataConfig(preparation="colormamba", equalize=False)
    nir = np.random.default_rng(3).integers(40, 200, size).astype(np.uint8)
    settings = Settings(tile=8, stride=5, batch=2, mode=mode, size=48, detail="network")
    model = Colorizer(Planes(), {}, Config(data=data), settings=settings)
    expected = prepare(nir, data)
    colored = model.colorize(nir, dtype=np.float32)
    np.testing.assert_allclose(colored[..., :2], expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(colored[..., 2], colored[..., 0])


def test_the_hsv_value_of_reduced_images_reaches_the_network():
    data = DataConfig(preparation="colormamba", equalize=False)
    nir = np.linspace(40, 200, 640).astype(np.uint8)[:, None].repeat(24, 1)  # reduced to 512
    settings = Settings(size=512, detail="network")
    model = Colorizer(Planes(), {}, Config(data=data), settings=settings)
    assert model.job(ArraySource(nir), ArraySink(np.empty((640, 24, 3), "f4"))).plan.height == 512
    colored = model.colorize(nir, dtype=np.float32)
    np.testing.assert_allclose(colored[..., :2], prepare(nir, data), rtol=0, atol=0.01)
