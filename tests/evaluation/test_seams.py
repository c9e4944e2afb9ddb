"""Planted seams are found, and nothing where there are none."""

import numpy as np
import pytest

from haqagen_jax.evaluation.seams import seam_energy
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.tiling import TilePlan

PLAN = TilePlan(300, 420, 64, 48)


def noise(seed=0, shape=(300, 420, 3)):
    return np.random.default_rng(seed).normal(size=shape)


def tiles(tint):
    """Tiles of one image of noise, each with a tint of its own."""
    image, rng = noise(), np.random.default_rng(1)
    cut = {origin: PLAN.extract(image, origin) for origin in PLAN.origins}
    return {origin: tile + tint * rng.normal(size=3) for origin, tile in cut.items()}


@pytest.mark.parametrize("reach", [1, 8, 16])
def test_nothing_shows_in_noise(reach):
    assert seam_energy(noise(), PLAN, reach) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("reach", [1, 2, 7])
def test_by_a_loop(reach):
    """A step of 5 on the border between the first two columns of tiles, which a loop looks for."""
    image = noise()
    border = 48 + 8 - PLAN.margin[1]
    image[:, border:] += 5
    values = {True: [], False: []}
    for axis, count in ((0, PLAN.grid[0]), (1, PLAN.grid[1])):
        lines = np.moveaxis(image, axis, 0)
        for i in range(len(lines) - reach):
            middle = i + (reach + 1) // 2
            gaps = [abs(middle - (k * 48 + 8 - PLAN.margin[axis])) for k in range(1, count)]
            if min(gaps) <= 1:
                values[True].extend((lines[i + reach] - lines[i]).ravel())
            elif min(gaps) > 8 + reach:
                values[False].extend((lines[i + reach] - lines[i]).ravel())
    expected = np.var(values[True]) / np.var(values[False])
    assert expected > 1.1
    assert seam_energy(image, PLAN, reach) == pytest.approx(expected, rel=1e-5)


def test_tints_show_and_more_so_over_the_width_of_the_blend():
    def blended(tint):
        blender = Blender(PLAN)
        return np.concatenate([blender.add(t, o) for o, t in tiles(tint).items()])

    plain, tinted = blended(0.0), blended(1.0)
    assert seam_energy(tinted, PLAN, 16) > 1.2 * seam_energy(plain, PLAN, 16)


def test_one_tile_has_no_border():
    with pytest.raises(ValueError, match="no border"):
        seam_energy(noise(0, (60, 60, 3)), TilePlan(60, 60, 64, 48))
