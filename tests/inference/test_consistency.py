"""Large pictures: colour from the reduced picture, detail from the tiles."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from haqagen_jax.config import Config, DataConfig
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.consistency import close_plan, correct, enlarged
from haqagen_jax.inference.settings import Settings
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


def colour(nir, *, consistent=False, **options):
    settings = Settings(batch=4, consistent=consistent, **options)
    return Colorizer(Stubborn(), {}, CONFIG, settings=settings).colorize(nir, dtype="float32")


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
        rows = []
        for origin in blender.plan.origins:
            tile = blender.plan.extract(prepare_nir(nir, equalize=False), origin)
            rows.append(blender.add(np.asarray(Stubborn().apply({}, tile[None]).rgb[0]), origin))
        expected = np.concatenate(rows)
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
    settings = Settings(tile=128, stride=128, batch=4)
    model = Colorizer(Stubborn(), {}, CONFIG, settings=settings)
    model.colorize(picture(512, 512), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(("height", "width"), [(100, 40), (31, 90), (64, 64)])
def test_a_tile_of_the_small_picture_by_another_library(height, width):
    coarse = np.random.default_rng(0).random((23, 17, 3), dtype=np.float32)
    plan = TilePlan(height, width, 32, 20)
    whole = bilinear(coarse, height, width)
    for origin in plan.origins:
        np.testing.assert_allclose(
            enlarged(coarse, plan, origin), plan.extract(whole, origin), atol=1e-6
        )


def bilinear(image, height, width):
    """Bilinear with pixel centres at one half, by scipy's spline of order one."""
    y, x = (
        np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
        for n, m in zip((height, width), image.shape[:2], strict=True)
    )
    places = np.meshgrid(y, x, indexing="ij")
    channels = [ndimage.map_coordinates(image[..., c], places, order=1) for c in range(3)]
    return np.stack(channels, -1)


@pytest.mark.parametrize("reach", [1.0, 2.5, 6.0])
def test_correct_replaces_what_a_gaussian_keeps(reach):
    rng = np.random.default_rng(0)
    tile, target = rng.random((2, 24, 20 + 4, 3))
    got = correct(jnp.asarray(tile[None]), jnp.asarray(target[None]), jnp.array([reach]))[0]
    change = target - tile
    # The mean over what lies in the tile: the Gaussian of the change over that of ones.
    low, ones = (
        np.stack(
            [
                ndimage.gaussian_filter(x[..., c], reach, mode="constant", truncate=24 / reach)
                for c in range(3)
            ],
            -1,
        )
        for x in (change, np.ones_like(change))
    )
    np.testing.assert_allclose(got, tile + low / ones, atol=1e-5)


def test_reach_zero_leaves_a_tile_alone():
    tiles, targets = jnp.full((2, 8, 8, 3), 0.25), jnp.ones((2, 8, 8, 3))
    got = correct(tiles, targets, jnp.array([0.0, 2.0]))
    np.testing.assert_array_equal(got[0], tiles[0])
    np.testing.assert_allclose(got[1], 1.0, atol=1e-6)


def test_close_tiles_end_outside_the_picture():
    plan = close_plan(384, 512, 256, 222)
    assert plan.grid == (4, 5)
    assert min(plan.margin) >= 16
    assert len(close_plan(1, 2, 1, 1)) == 2
