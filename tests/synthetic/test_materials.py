import numpy as np
import pytest

from haqagen_jax.synthetic.materials import Material, mean_reflectance, sample_reflectance

R, G, B, NIR = range(4)


@pytest.mark.parametrize("plant", [Material.GRASS, Material.FOLIAGE, Material.CONIFER])
def test_living_plants_have_a_red_edge_and_a_green_peak(plant: Material) -> None:
    bands = mean_reflectance(plant)
    assert bands[NIR] > 5 * bands[R]
    assert bands[G] > bands[R] > bands[B]


@pytest.mark.parametrize(
    "ground", [Material.SOIL, Material.SAND, Material.DRY_GRASS, Material.ROCK]
)
def test_dry_ground_rises_with_wavelength(ground: Material) -> None:
    bands = mean_reflectance(ground)
    assert bands[B] < bands[G] < bands[R] < bands[NIR] < 3 * bands[R]


def test_water_and_clear_sky_are_dark_in_the_near_infrared() -> None:
    assert mean_reflectance(Material.WATER)[NIR] < 0.01
    sky = mean_reflectance(Material.SKY)
    assert sky[B] > 4 * sky[R] > 4 * sky[NIR]


@pytest.mark.parametrize(
    "flat", [Material.CLOUD, Material.SNOW, Material.CONCRETE, Material.ASPHALT, Material.SLATE]
)
def test_gray_materials_are_flat(flat: Material) -> None:
    bands = mean_reflectance(flat)
    assert bands.max() < 1.4 * bands.min()


@pytest.mark.parametrize("material", list(Material))
def test_specimens_vary_around_the_mean(material: Material) -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([sample_reflectance(rng, material) for _ in range(400)])
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert (drawn.std(axis=0) > 0).all()
    np.testing.assert_allclose(drawn.mean(axis=0), mean_reflectance(material), rtol=0.06)
