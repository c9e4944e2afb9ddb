"""Large pictures: colour from the reduced picture, detail from the tiles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.config import Config, DataConfig
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.consistency import close_plan, join
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.preprocess import prepare_nir
from haqagen_jax.scaling import resize

CONFIG = Config(data=DataConfig(equalize=False, clamp=256))


class Output(NamedTuple):
    rgb: jax.Array


class Stubborn:
    """Gives every tile a mean of one half, as a network that normalises each by itself does."""

    def apply(self, variables, nir):
        x = 0.5 + 0.5 * (nir - nir.mean((1, 2), keepdims=True))
        return Output(jnp.repeat(jnp.asarray(x), 3, -1))


def picture(height, width):
    """A ramp from left to right with fine, even texture."""
    ramp = np.broadcast_to(np.linspace(0.05, 0.95, width), (height, width))
    texture = 0.05 * np.random.default_rng(0).uniform(-1, 1, (height, width))
    return (ramp + texture).astype(np.float32)


def colour(nir, **options):
    return Colorizer(Stubborn(), {}, CONFIG, batch=4, **options).colorize(nir, dtype="float32")


def test_a_picture_of_one_tile_stays_as_it_is():
    nir = picture(60, 64)
    options = {"tile": 64, "stride": 48}
    np.testing.assert_array_equal(colour(nir, consistent=True, **options), colour(nir, **options))


def test_a_picture_of_the_trainings_size_is_tiled_closely():
    nir = picture(256, 256)
    options = {"tile": 128, "stride": 112}
    plain, close = colour(nir, **options), colour(nir, consistent=True, **options)
    # Where two plain tiles overlap, the ramp falls back.
    falls = [np.diff(resize(rgb, (32, 32))[..., 0].mean(0)).min() for rgb in (plain, close)]
    assert falls[0] < -0.05
    assert falls[1] > -0.005
    # It is the window at a smaller stride, and a smaller one still if that is asked for.
    for asked, stride in ((112, 36), (20, 20)):
        blender = Blender(TilePlan(256, 256, 128, stride, border=8))
        for origin in blender.plan.origins:
            tile = blender.plan.extract(prepare_nir(nir, equalize=False), origin)
            blender.add(np.asarray(Stubborn().apply({}, tile[None]).rgb[0]), origin)
        expected = blender.result()
        rgb = colour(nir, consistent=True, tile=128, stride=asked)
        np.testing.assert_allclose(rgb, np.clip(expected, 0, 1), atol=1e-5)


def test_seams_fade_and_detail_stays():
    nir = picture(512, 512)
    options = {"tile": 128, "stride": 112}
    plain, joined = colour(nir, **options), colour(nir, consistent=True, **options)

    def coarse(rgb):
        return resize(rgb, (64, 64))[..., 0]

    # The plain tiles repeat the same ramp; columns between them jump back by a seventh and more.
    assert np.diff(coarse(plain).mean(0)).min() < -0.02
    assert np.diff(coarse(joined).mean(0)).min() > -0.006
    fine = [rgb - resize(resize(rgb, (256, 256)), (512, 512)) for rgb in (plain, joined)]
    correlation = np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1]
    assert correlation > 0.95


def test_progress_counts_both_passes():
    seen = []
    model = Colorizer(Stubborn(), {}, CONFIG, tile=128, stride=128, batch=4, consistent=True)
    model.colorize(picture(512, 512), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("size", [(40, 60), (33, 57), (1, 60)])
def test_a_joined_picture_looks_like_the_coarse_one_when_reduced(size):
    rng = np.random.default_rng(1)
    smooth = resize(rng.random((4, 6, 3), np.float32), (40, 60))
    detail = np.clip(smooth + 0.05 * rng.standard_normal(smooth.shape), 0, 1).astype(np.float32)
    detail = resize(detail, size)
    small = tuple(max(1, side // 2) for side in size)
    coarse = 0.25 + 0.5 * resize(rng.random((3, 3, 3), np.float32), small)
    joined = join(detail, coarse)
    assert joined.dtype == np.float32
    assert joined.shape == (*size, 3)
    np.testing.assert_allclose(resize(joined, small), coarse, atol=0.08)


def test_close_tiles_end_outside_the_picture():
    plan = close_plan(384, 512, 256, 222)
    assert plan.grid == (4, 5)
    assert min(plan.margin) >= 16
    assert len(close_plan(1, 2, 1, 1)) == 2
