"""The plan covers every pixel, pads by reflection as numpy does, and checks its values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haqagen_jax.errors import InputError
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.ops.windows import WINDOWS

SIZES = st.integers(1, 40)
BORDERS = st.integers(0, 5)
NO_DEADLINE = settings(deadline=None, max_examples=50)


@st.composite
def plans(draw):
    tile = draw(st.integers(3, 16))
    return TilePlan(draw(SIZES), draw(SIZES), tile, draw(st.integers(2, tile)), draw(BORDERS))


@NO_DEADLINE
@given(plans())
def test_tiles_are_cut_from_the_reflected_image(plan):
    image = np.random.default_rng(0).random((plan.height, plan.width, 1))
    (top, left), (height, width) = plan.margin, plan.padded
    pads = (top, height - plan.height - top), (left, width - plan.width - left), (0, 0)
    padded = np.pad(image, pads, mode="reflect")
    assert len(plan) == len(plan.origins)
    for y, x in plan.origins:
        want = padded[y : y + plan.tile, x : x + plan.tile]
        np.testing.assert_array_equal(plan.extract(image, (y, x)), want)


@NO_DEADLINE
@given(plans())
def test_every_pixel_is_covered_and_no_tile_is_redundant(plan):
    covered = np.zeros(plan.padded, int)
    for y, x in plan.origins:
        covered[y : y + plan.tile, x : x + plan.tile] += 1
    assert covered.min() >= 1
    for size, padded in zip((plan.height, plan.width), plan.padded, strict=True):
        assert padded == plan.tile or padded - size - 2 * plan.border < plan.stride
    for size, padded, margin in zip(
        (plan.height, plan.width), plan.padded, plan.margin, strict=True
    ):
        assert min(margin, padded - size - margin) >= plan.border


@pytest.mark.parametrize("name", WINDOWS)
@NO_DEADLINE
@given(plan=plans())
def test_every_pixel_has_a_positive_weight(name, plan):
    blender, ones = Blender(plan, name), np.ones((plan.tile, plan.tile, 3), np.float32)
    rows = np.concatenate([blender.add(ones, origin) for origin in plan.origins])
    assert rows.shape == (plan.height, plan.width, 3)
    np.testing.assert_allclose(rows, 1.0, atol=1e-6)


def test_plans_have_the_expected_numbers_of_tiles():
    assert len(TilePlan(2048, 2048)) == 100
    assert len(TilePlan(2048, 2048, stride=240)) == 81
    assert len(TilePlan(256, 256)) == 1
    assert TilePlan(256, 257).grid == (1, 2)
    assert len(TilePlan(3, 4, tile=1, stride=1)) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "0x5 pixels: needs at least 1x1"),
        ((5, 5, 0, 1), "tile = 0: must be at least 1"),
        ((5, 5, 8, 0), "stride = 0: must be from 1 to the tile's 8"),
        ((5, 5, 8, 9), "stride = 9"),
        ((5, 5, 8, 8, -1), "border = -1: must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        TilePlan(*arguments)
