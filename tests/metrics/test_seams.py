"""Seam energy against a loop in float64; batches, and what is refused."""

import jax
import numpy as np
import pytest

from haqagen_jax import metrics

ROWS, COLUMNS = np.array([20, 44]), np.array([30])
NEAR = 4


def _by_a_loop(image, reach):
    values = {True: [], False: []}
    for axis, borders in ((0, ROWS), (1, COLUMNS)):
        lines = np.moveaxis(image, axis, 0)
        for i in range(len(lines) - reach):
            gap = min(abs(i + (reach + 1) // 2 - border) for border in borders)
            if gap <= 1:
                values[True].extend((lines[i + reach] - lines[i]).ravel())
            elif gap > NEAR + reach:
                values[False].extend((lines[i + reach] - lines[i]).ravel())
    return np.var(values[True]) / np.var(values[False])


@pytest.mark.parametrize("reach", [1, 2, 7])
def test_by_a_loop(reach, precision):
    images = np.random.default_rng(0).normal(size=(2, 60, 70, 3))
    images[1, 20:] += 3
    images = images.astype(precision.dtype)
    energy = jax.jit(lambda x: metrics.seam_energy(x, ROWS, COLUMNS, near=NEAR, reach=reach))
    result = energy(images)
    assert result.dtype == precision.dtype
    expected = [_by_a_loop(image.astype(float), reach) for image in images]
    assert expected[1] > 1.2 * expected[0]
    np.testing.assert_allclose(result, expected, rtol=precision.tolerance)


def test_borders_one_way_are_enough():
    image = np.random.default_rng(0).normal(size=(1, 60, 70, 3))
    none = np.array([], int)
    turned = metrics.seam_energy(image.swapaxes(1, 2), none, ROWS, near=NEAR)
    np.testing.assert_allclose(turned, metrics.seam_energy(image, ROWS, none, near=NEAR), rtol=1e-5)


def test_what_cannot_be_measured_is_refused():
    image, none = np.zeros((1, 60, 70, 3)), np.array([], int)
    with pytest.raises(ValueError, match="60x70 pixels with 0 and 0 borders: no border"):
        metrics.seam_energy(image, none, none, near=NEAR)
    with pytest.raises(ValueError, match="inside on both sides"):
        metrics.seam_energy(image, ROWS, COLUMNS, near=99)
    with pytest.raises(ValueError, match="reach = 0: must be at least 1"):
        metrics.seam_energy(image, ROWS, COLUMNS, near=NEAR, reach=0)
