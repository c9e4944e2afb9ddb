import numpy as np
import pytest
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from haqagen_jax.data.inspection.measure import (
    ALIKE,
    describe,
    duplicates,
    measure,
    registration_shift,
)
from haqagen_jax.synthetic import render

SCENE = render(1, 160, 200)


def edges(image):
    down, right = np.gradient(image)
    return np.hypot(down, right)


def shifted(image, down, right):
    return ndimage.shift(image, (down, right), order=3, mode="reflect")


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -2), (3, 4), (-7, 5), (0.5, 0), (-1.3, 2.6)])
def test_a_known_shift_between_nir_and_color_is_measured(shift):
    nir, gray = SCENE.nir[..., 0], SCENE.rgb.mean(-1)
    result = registration_shift(nir, shifted(gray, *shift))
    assert result == pytest.approx(np.hypot(*shift), abs=0.25)


@pytest.mark.parametrize("shift", [(0.4, 1.1), (-2.5, 0.8)])
def test_the_shift_is_that_of_another_implementation(shift):
    one = SCENE.rgb.mean(-1)
    two = shifted(one, *shift)
    other, *_ = phase_cross_correlation(edges(one), edges(two), upsample_factor=20)
    assert registration_shift(one, two) == pytest.approx(np.hypot(*other), abs=0.2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (8, 8)])
def test_an_image_without_edges_has_no_shift(shape):
    assert registration_shift(np.ones(shape), np.ones(shape)) == 0


def test_descriptors_survive_size_brightness_and_noise_but_not_another_scene():
    nir = SCENE.nir[..., 0]
    small = nir.reshape(80, 2, 100, 2).mean((1, 3))
    noisy = np.clip(nir + np.random.default_rng(0).normal(0, 0.03, nir.shape), 0, 1)
    for again in (small, 0.3 * nir + 0.2, noisy, nir**1.3):
        assert describe(nir) @ describe(again) > 0.98
    other = render(2, 160, 200).nir[..., 0]
    assert abs(describe(nir) @ describe(other)) < 0.8
    np.testing.assert_allclose(np.linalg.norm(describe(nir)), 1.0)


def test_equal_illumination_does_not_make_images_alike():
    y, x = np.mgrid[:64, :80]
    light = 0.3 * (x / 80 + y / 64)
    images = [light + 0.4 * render(seed, 64, 80).nir[..., 0] for seed in range(6)]
    for i, one in enumerate(images):
        for two in images[:i]:
            assert describe(one) @ describe(two) < ALIKE - 0.1
    assert not describe(np.full((3, 5), 0.4)).any()


def test_duplicates_are_searched_across_splits_only():
    def measured(name, split, seed):
        scene = render(seed, 64, 80)
        return measure(name, split, scene.nir[..., 0], scene.rgb)

    rows = [
        ("a", "train", 1),
        ("b", "train", 1),
        ("c", "val", 1),
        ("d", "test", 2),
        ("e", "train", 2),
    ]
    found = {(x.name, y.name) for x, y in duplicates([measured(*row) for row in rows])}
    assert found == {("a", "c"), ("b", "c"), ("e", "d")}


def test_histograms_count_every_pixel():
    one = measure("a", "train", (SCENE.nir[..., 0] * 65_535).astype(np.uint16), SCENE.rgb)
    assert one.depths == "uint16, float32"
    assert one.size == (160, 200)
    assert one.nir_histogram.sum() == 160 * 200
    np.testing.assert_array_equal(one.rgb_histogram.sum(1), [160 * 200] * 3)
