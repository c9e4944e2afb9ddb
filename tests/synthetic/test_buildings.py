from dataclasses import replace

import numpy as np
import pytest

from haqagen_jax.synthetic.buildings import House, paint_house, shadow_of
from haqagen_jax.synthetic.camera import Canvas, Light, View
from haqagen_jax.synthetic.materials import Material, mean_reflectance
from haqagen_jax.synthetic.noise import Noise

LIGHT = Light(
    sun_direction=np.array([0.0, 0.8, -0.6], np.float32),
    sun=np.ones(4, np.float32),
    sky=np.full(4, 0.2, np.float32),
    haze=np.zeros(4, np.float32),
    extinction=np.zeros(4, np.float32),
)
HOUSE = House(
    x=0.0,
    z=24.0,
    angle=0.0,
    length=10.0,
    depth=8.0,
    storeys=2,
    pitch=0.0,
    wall=mean_reflectance(Material.BRICK),
    wall_label=Material.BRICK,
    roof=mean_reflectance(Material.SLATE),
    roof_label=Material.SLATE,
    frame=mean_reflectance(Material.PLASTER),
    glass=mean_reflectance(Material.GLASS),
    door=mean_reflectance(Material.PAINTED_WOOD),
    offset=0.5,
)


def labels(house: House) -> np.ndarray:
    canvas = Canvas(View(400, 600, 0.5, 2.0), LIGHT)
    paint_house(canvas, house, Noise(np.random.default_rng(0)))
    return canvas.label


def test_the_front_wall_lies_where_perspective_puts_it() -> None:
    rows, columns = np.nonzero(labels(HOUSE))
    # By hand: the front stands 20 m away, 10 m wide, 6.1 m high; the eye is 2 m up.
    left, right = 600 / 2 - 5 / 20 * 400, 600 / 2 + 5 / 20 * 400
    top, bottom = (0.5 - 4.1 / 20) * 400, (0.5 + 2 / 20) * 400
    assert columns.min() == pytest.approx(left, abs=1)
    assert columns.max() + 1 == pytest.approx(right, abs=1)
    assert rows.min() == pytest.approx(top, abs=1)
    assert rows.max() + 1 == pytest.approx(bottom, abs=1)


def test_a_house_has_walls_windows_and_a_door_and_a_pitched_one_a_roof() -> None:
    flat = set(np.unique(labels(HOUSE)).tolist())
    assert flat == {0, Material.BRICK, Material.GLASS, Material.PAINTED_WOOD}
    pitched = set(np.unique(labels(replace(HOUSE, pitch=0.8))).tolist())
    assert pitched == flat | {Material.SLATE}


def test_a_turned_house_shows_two_walls_one_in_the_shade() -> None:
    sideways = replace(LIGHT, sun_direction=np.array([-0.8, 0.6, 0.0], np.float32))
    canvas = Canvas(View(400, 600, 0.5, 2.0), sideways)
    paint_house(canvas, replace(HOUSE, angle=0.6), Noise(np.random.default_rng(0)))
    brick = canvas.radiance[..., 0][canvas.label == Material.BRICK]
    assert np.percentile(brick, 90) > 2 * np.percentile(brick, 10)


def test_the_shadow_falls_away_from_the_sun_by_the_height_of_the_wall() -> None:
    outline = shadow_of(HOUSE, LIGHT).outline
    # The sun stands towards -Z, so the shadow reaches 6.1 m * 0.6 / 0.8 behind the back wall.
    assert outline[:, 1].max() == pytest.approx(28 + 6.1 * 0.6 / 0.8, abs=1e-5)
    assert outline[:, 1].min() == pytest.approx(20)
    edges = np.roll(outline, -1, axis=0) - outline
    following = np.roll(edges, -1, axis=0)
    assert (edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 0).all()
