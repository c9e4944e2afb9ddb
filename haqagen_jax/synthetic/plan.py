"""Draw the composition of a scene: where the horizon lies, what stands where, how it is lit."""

from dataclasses import dataclass

import numpy as np

from haqagen_jax.synthetic.backdrop import Ridge, Sky
from haqagen_jax.synthetic.buildings import House
from haqagen_jax.synthetic.camera import Light, View
from haqagen_jax.synthetic.ground import Lake, Land, Parcel, Road
from haqagen_jax.synthetic.materials import Material, sample_reflectance
from haqagen_jax.synthetic.plants import Plant

# Sun and sky on a white diffuser, after the camera's white balance: shadows are lit by the sky, so
# they are blue, and darker still in the near infrared.
_SUN = np.array([1.18, 1.10, 0.98, 1.20], np.float32)
_SKY_LIGHT = np.array([0.17, 0.22, 0.31, 0.07], np.float32)
# Scattering by haze falls with wavelength, between the -1.3 of haze and the -4 of clean air.
_HAZE_BY_BAND = (np.array([0.65, 0.55, 0.47, 0.84]) / 0.55) ** -1.8


@dataclass(frozen=True)
class Plan:
    """Everything that a seed decides, but for the noise."""

    view: View
    light: Light
    sky: Sky
    ridges: tuple[Ridge, ...]
    land: Land
    plants: tuple[Plant, ...]
    houses: tuple[House, ...]


def plan_scene(seed: int, height: int, width: int) -> Plan:
    """Draw the composition of a scene.

    Args:
        seed: Seed of the scene, at least 0.
        height: Height of the canvas, pixels.
        width: Width of the canvas, pixels.

    Returns:
        The same plan for every size, apart from the canvas itself.
    """
    rng = np.random.default_rng([seed, 0])
    view = View(height, width, _between(rng, 0.28, 0.50), _between(rng, 1.7, 4.5))
    light = _light(rng)
    sky = Sky(sample_reflectance(rng, Material.SKY), rng.random() * 0.85, puffiness=rng.random())
    ridges = _ridges(rng)
    lake = _lake(rng, view)
    houses = _houses(rng, lake)
    plants = _plants(rng, lake, houses)
    road = _road(rng) if lake is None and rng.random() < 0.5 else None
    land = Land(_parcels(rng), _between(rng, 8.0, 25.0), road, lake, shadows=())
    return Plan(view, light, sky, ridges, land, plants, houses)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _chance(rng: np.random.Generator, *materials: Material) -> Material:
    return materials[int(rng.random() * len(materials))]


def _light(rng: np.random.Generator) -> Light:
    """Put the sun behind the camera's left or right shoulder, or beside it."""
    elevation = np.deg2rad(_between(rng, 28.0, 62.0))
    azimuth = np.deg2rad(_between(rng, 15.0, 95.0)) * (1 if rng.random() < 0.5 else -1)
    direction = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            -np.cos(azimuth) * np.cos(elevation),
        ]
    )
    warmth = np.array([1, 0.97, 0.90, 1.0]) ** _between(rng, 0.0, 1.5)
    # Koschmieder's law: contrast falls to 2 % at the visual range.
    visual_range = 1000 * _between(rng, 25.0, 90.0)
    haze = np.array([0.54, 0.64, 0.79, 0.17]) * _between(rng, 0.85, 1.1)
    return Light(
        direction.astype(np.float32),
        (_SUN * warmth).astype(np.float32),
        _SKY_LIGHT * np.float32(_between(rng, 0.8, 1.2)),
        haze.astype(np.float32),
        (3.91 / visual_range * _HAZE_BY_BAND).astype(np.float32),
    )


def _ridges(rng: np.random.Generator) -> tuple[Ridge, ...]:
    """Line up mountains, hills and a wood, the farthest first; any may be absent."""
    rock = sample_reflectance(rng, Material.ROCK)
    conifers = sample_reflectance(rng, Material.CONIFER)
    ridges = []
    if rng.random() < 0.55:
        tree_line, snow_line = _between(rng, 0.25, 0.7), _between(rng, 0.85, 1.5)
        height = _between(rng, 0.10, 0.24)
        ridges.append(
            Ridge(
                height,
                0.9,
                0.5,
                _between(rng, 4e3, 9e3),
                tree_line,
                snow_line,
                conifers,
                Material.CONIFER,
                rock,
            )
        )
    if rng.random() < 0.65:
        cover = sample_reflectance(rng, Material.FOLIAGE)
        height = _between(rng, 0.03, 0.09)
        ridges.append(
            Ridge(
                height, 0.7, 0.8, _between(rng, 1.5e3, 4e3), 9.0, 9.0, cover, Material.FOLIAGE, rock
            )
        )
    if rng.random() < 0.85:
        cover = sample_reflectance(rng, Material.FOLIAGE)
        height = _between(rng, 0.008, 0.03)
        ridges.append(
            Ridge(
                height,
                0.9,
                0.06,
                _between(rng, 400.0, 900.0),
                9.0,
                9.0,
                cover,
                Material.FOLIAGE,
                rock,
            )
        )
    return tuple(ridges)


def _lake(rng: np.random.Generator, view: View) -> Lake | None:
    if rng.random() > 0.35:
        return None
    near = view.eye / _between(rng, 0.16, 0.30)
    far = view.eye / _between(rng, 0.008, 0.03)
    return Lake(near, far, sample_reflectance(rng, Material.WATER), _between(rng, 0.15, 0.8))


def _parcels(rng: np.random.Generator) -> tuple[Parcel, ...]:
    """Choose the meadow of the foreground and the fields behind it."""

    def parcel(label: Material, second: Material, roughness: float, furrows: float) -> Parcel:
        return Parcel(
            label,
            sample_reflectance(rng, label),
            sample_reflectance(rng, label) * 0.6 + sample_reflectance(rng, second) * 0.4,
            roughness,
            furrows,
        )

    dry = Material.DRY_GRASS
    grass = parcel(Material.GRASS, Material.GRASS, 0.85, 0.0)
    straw = parcel(dry, Material.GRASS, 0.7, 0.1)
    earth = parcel(Material.SOIL, Material.SOIL, 0.7, 0.35)
    crop = parcel(Material.GRASS, Material.GRASS, 0.7, 0.25)
    sand = parcel(Material.SAND, Material.ROCK, 0.4, 0.0)
    nearest = (grass, grass, grass, grass, straw, earth, sand)[int(rng.random() * 7)]
    return (nearest, grass, straw, crop, earth, crop)


def _road(rng: np.random.Generator) -> Road:
    label = _chance(rng, Material.ASPHALT, Material.SAND, Material.CONCRETE)
    width = 5.5 if label is Material.ASPHALT else 2.6
    return Road(
        start=_between(rng, -5.0, 5.0),
        drift=_between(rng, -0.25, 0.25),
        bend=_between(rng, 0.0, 6.0),
        period=_between(rng, 15.0, 50.0),
        width=width,
        surface=sample_reflectance(rng, label),
        label=label,
        marked=label is Material.ASPHALT,
    )


def _houses(rng: np.random.Generator, lake: Lake | None) -> tuple[House, ...]:
    """Put up a few houses that do not stand in each other or in the lake."""
    houses: list[House] = []
    count = int(rng.random() * 4.5)
    for _ in range(count):
        z = _between(rng, 18.0, 75.0) if lake is None else lake.far * _between(rng, 1.6, 2.2) + 15
        x = z * _between(rng, -0.75, 0.75)
        house = _house(rng, x, z)
        clear = [np.hypot(h.x - x, h.z - z) > (h.length + house.length) * 0.6 for h in houses]
        if all(clear):
            houses.append(house)
    return tuple(houses)


def _house(rng: np.random.Generator, x: float, z: float) -> House:
    wall = _chance(rng, Material.BRICK, Material.PLASTER, Material.CONCRETE, Material.PLASTER)
    roof = _chance(rng, Material.ROOF_TILE, Material.SLATE, Material.ROOF_TILE)
    flat = wall is Material.CONCRETE and rng.random() < 0.5
    return House(
        x=x,
        z=z,
        angle=_between(rng, -0.7, 0.7),
        length=_between(rng, 8.0, 14.0),
        depth=_between(rng, 6.5, 9.0),
        storeys=1 + int(rng.random() * (4 if flat else 2)),
        pitch=0.0 if flat else _between(rng, 0.6, 1.0),
        wall=sample_reflectance(rng, wall),
        wall_label=wall,
        roof=sample_reflectance(rng, roof),
        roof_label=roof,
        frame=sample_reflectance(rng, Material.PLASTER),
        glass=sample_reflectance(rng, Material.GLASS),
        door=sample_reflectance(rng, Material.PAINTED_WOOD),
        offset=rng.random() * 100,
    )


def _plants(
    rng: np.random.Generator, lake: Lake | None, houses: tuple[House, ...]
) -> tuple[Plant, ...]:
    """Plant trees singly and in groups, out of the water and out of the houses."""
    plants: list[Plant] = []
    for _ in range(3 + int(rng.random() * 6)):
        z = 9 * (14 ** rng.random())
        x = z * _between(rng, -0.85, 0.85)
        conifer = rng.random() < 0.3
        for _ in range(1 + int(rng.random() * 6)):
            z_here = max(8.0, z * _between(rng, 0.85, 1.3))
            x_here = x + 5 * _between(rng, -1.0, 1.0) * z / 20
            plant = _plant(rng, x_here, z_here, conifer)
            if _is_free(plant, lake, houses):
                plants.append(plant)
    return tuple(plants)


def _is_free(plant: Plant, lake: Lake | None, houses: tuple[House, ...]) -> bool:
    """Say whether a plant neither swims, nor grows in a house, nor hides the whole view."""
    if lake is not None and lake.near * 0.75 < plant.z < lake.far * 1.6:
        return False
    if abs(plant.x) < 0.25 * plant.z and plant.height > 0.35 * plant.z:
        return False
    return all(
        np.hypot(plant.x - h.x, plant.z - h.z) > (h.length + plant.width) / 2 for h in houses
    )


def _plant(rng: np.random.Generator, x: float, z: float, conifer: bool) -> Plant:
    shrub = not conifer and rng.random() < 0.35
    label = Material.CONIFER if conifer else Material.FOLIAGE
    if conifer:
        height = _between(rng, 6.0, 14.0)
        width, trunk = height * _between(rng, 0.32, 0.45), height * 0.08
        blobs = np.zeros((0, 4))
    else:
        height = _between(rng, 0.9, 2.5) if shrub else _between(rng, 5.0, 12.0)
        width = height * (_between(rng, 1.1, 1.8) if shrub else _between(rng, 0.65, 1.0))
        trunk = 0.0 if shrub else height * _between(rng, 0.15, 0.3)
        blobs = _crown(rng)
    leaves = sample_reflectance(rng, label)
    bark = sample_reflectance(rng, Material.BARK)
    return Plant(x, z, height, width, trunk, leaves, bark, blobs, offset=rng.random() * 100)


def _crown(rng: np.random.Generator) -> np.ndarray:
    """Spread the clumps of a broad crown over an ellipsoid: x, y, z, radius."""
    count = 7 + int(rng.random() * 7)
    angle, lift = rng.random(count) * 2 * np.pi, rng.random(count) * 1.7 - 0.85
    out = np.sqrt(1 - lift**2) * (0.35 + 0.35 * rng.random(count))
    radius = 0.28 + 0.22 * rng.random(count)
    blobs = np.stack([out * np.cos(angle), lift * 0.62, out * np.sin(angle), radius], axis=1)
    return np.concatenate([blobs, [[0.0, 0.0, 0.0, 0.55]]])
