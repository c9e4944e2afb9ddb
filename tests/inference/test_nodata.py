"""Pixels without data: they change no other pixel, and come out without data."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.api import load
from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.images.stream import ArraySink, ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.filling import filled
from haqagen_jax.inference.settings import Settings
from haqagen_jax.ops.guided import guided_coefficients

PLAIN = Config(data=DataConfig(equalize=False))


class Output(NamedTuple):
    rgb: jax.Array


class Local:
    """Colors each pixel by itself."""

    def apply(self, variables, nir):
        assert nir.shape[-1] == 1
        return Output(jnp.concatenate([nir, nir**2, 1 - nir], -1))


def scene(height, width, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    return (0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 7) + 0.05 * rng.random((height, width))).astype(
        np.float32
    )


def border(image):
    """Where a frame of three pixels, and a hole, hold no data."""
    missing = np.ones(image.shape, bool)
    missing[3:-3, 3:-3] = False
    missing[10:14, 5:9] = True
    return missing


MODES = {
    "sliding": Settings(mode="sliding", tile=16, stride=12),
    "whole": Settings(size=64, radius=4),
    "reduced": Settings(size=32, radius=4),
    "network": Settings(size=32, detail="network"),
    "ensemble": Settings(size=64, radius=4, ensemble=True),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("fill", [0.0, -9999.0, 1e30, np.nan])
def test_what_lies_below_a_mask_changes_nothing(mode, mosaic, fill):
    image = scene(50, 60)
    missing = border(image)
    model = Colorizer(Local(), {}, PLAIN, settings=MODES[mode])

    def colors(below):
        masked = np.ma.masked_array(np.where(missing, np.float32(below), image), missing)
        rgb = np.empty((*image.shape, 3), np.float32)
        model.run([model.job(ArraySource(masked), ArraySink(rgb), mosaic=mosaic)])
        return rgb

    got = colors(fill)
    np.testing.assert_array_equal(np.isnan(got), np.broadcast_to(missing[..., None], got.shape))
    np.testing.assert_array_equal(got, colors(0.123))
    # A network that colors every pixel by itself: they are what they are without the holes.
    if mode in ("sliding", "whole"):
        low, high = np.percentile(image[~missing], [0.1, 99.9])
        nir = np.clip((image - low) / (high - low), 0, 1)
        want = Local().apply({}, nir[..., None]).rgb
        np.testing.assert_allclose(
            got[~missing], np.asarray(want)[~missing], atol=1e-5 if mode == "sliding" else 0.06
        )


def test_masked_arrays_come_back_masked():
    image = (scene(40, 40) * 200).astype(np.uint8)
    missing = border(image)
    masked = np.ma.masked_array(image, missing)
    model = Colorizer(Local(), {}, PLAIN, settings=MODES["sliding"])
    got = model.colorize(masked)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(np.ma.getmaskarray(got), np.repeat(missing[..., None], 3, -1))
    batch = model.colorize(np.ma.stack([masked, masked])[..., None])
    np.testing.assert_array_equal(np.ma.getdata(batch[1]), np.ma.getdata(got))
    np.testing.assert_array_equal(np.ma.getmaskarray(batch[1]), np.ma.getmaskarray(got))


def test_nan_is_nan_in_floats_and_zero_in_integers():
    image = scene(40, 40)
    image[border(image)] = np.nan
    model = Colorizer(Local(), {}, PLAIN, settings=MODES["whole"])
    floats, integers = model.colorize(image), model.colorize(image, dtype=np.uint8)
    np.testing.assert_array_equal(np.isnan(floats[..., 0]), np.isnan(image))
    assert (integers[np.isnan(image)] == 0).all()


def test_an_image_without_data_is_refused():
    model = Colorizer(Local(), {}, PLAIN, settings=MODES["whole"])
    nothing = np.ma.masked_array(np.ones((9, 9), np.uint8), True)
    with pytest.raises(InputError, match="no pixels with data"):
        model.colorize(nothing)


def test_the_nearest_pixel_fills_a_hole():
    nir = np.full((6, 7, 1), np.nan, np.float32)
    nir[1, 2], nir[4, 5] = 0.25, 0.75
    got = filled(nir)
    y, x = np.mgrid[:6, :7]
    near, far = (y - 1) ** 2 + (x - 2) ** 2, (y - 4) ** 2 + (x - 5) ** 2
    np.testing.assert_array_equal(got[..., 0][near < far], 0.25)
    np.testing.assert_array_equal(got[..., 0][near > far], 0.75)
    np.testing.assert_array_equal(got[..., 1], ~np.isnan(nir[..., 0]))
    assert (filled(np.full((3, 3, 1), np.nan, np.float32)) == 0).all()
    whole = np.zeros((3, 3, 1), np.float32)
    assert filled(whole) is whole


@pytest.mark.parametrize("tolerance", [None, 1e-3])
def test_pixels_of_weight_zero_take_no_part_in_the_guided_sums(tolerance):
    """Against loops in float64 over the pixels that count."""
    rng = np.random.default_rng(3)
    nir, color, radius, eps = rng.random((9, 11)), rng.random((9, 11, 2)), 2, 1e-3
    weight = rng.random((9, 11)) < 0.7
    a, b, trust = np.zeros((9, 11, 2)), np.zeros((9, 11, 2)), np.zeros((9, 11))
    for y in range(9):
        for x in range(11):
            box = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            i, p = nir[box][weight[box]], color[box][weight[box]]
            if not len(i):
                continue
            a[y, x] = ((i - i.mean())[:, None] * p).mean(0) / (i.var() + eps)
            b[y, x] = p.mean(0) - a[y, x] * i.mean()
            residual = ((p - a[y, x] * i[:, None] - b[y, x]) ** 2).mean()
            trust[y, x] = 1 if tolerance is None else tolerance / (residual + tolerance)
    want = np.zeros((9, 11, 4))
    for y in range(9):
        for x in range(11):
            box = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            both = np.concatenate([a[box], b[box]], -1) * trust[box][..., None]
            want[y, x] = both.sum((0, 1)) / trust[box].sum()
    below = np.where(weight, nir, 50.0)
    got = guided_coefficients(
        below[None, ..., None].astype("f4"),
        np.where(weight[..., None], color, -50.0)[None].astype("f4"),
        radius=radius,
        eps=eps,
        tolerance=tolerance,
        weight=weight[None, ..., None].astype("f4"),
    )
    np.testing.assert_allclose(got.a[0], want[..., :2], atol=2e-4)
    np.testing.assert_allclose(got.b[0], want[..., 2:], atol=2e-4)


def test_a_border_without_data_does_not_darken_the_bundled_models_colors():
    image = scene(70, 90)
    model = load(size=64, radius=4)
    alone = model.colorize(image)
    bordered = np.full((90, 110), np.nan, np.float32)
    bordered[10:-10, 10:-10] = image
    got = model.colorize(bordered)[10:-10, 10:-10]
    assert np.abs(got - alone).mean() < 0.05
    dark = np.zeros((90, 110), np.float32)
    dark[10:-10, 10:-10] = image
    assert np.abs(model.colorize(dark)[10:-10, 10:-10] - alone).mean() > 0.1
