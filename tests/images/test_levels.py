import numpy as np
import pytest

from haqagen_jax.images.levels import from_levels, quantize


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_a_round_trip(dtype):
    top = np.iinfo(dtype).max
    levels = np.arange(top + 1)
    for shift in (-0.49, 0.0, 0.49):
        unit = ((levels + shift) / top).astype(np.float32)
        np.testing.assert_array_equal(quantize(unit, dtype), levels)
    np.testing.assert_array_equal(quantize(from_levels(levels.astype(dtype)), dtype), levels)


def test_values_outside_the_unit_interval_are_clipped():
    values = np.array([-0.1, 1.1], np.float32)
    np.testing.assert_array_equal(quantize(values, np.uint8), [0, 255])
    np.testing.assert_array_equal(quantize(values, np.float32), [0, 1])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_are_divided_by_the_maximum_of_their_type(dtype):
    top = int(np.iinfo(dtype).max)
    unit = from_levels(np.array([0, 1, top], dtype))
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, [0.0, 1.0 / top, 1.0], rtol=1e-6)


def test_floats_keep_their_values():
    values = np.array([-3.5, 0.25, 7.0])
    assert from_levels(values).dtype == np.float32
    np.testing.assert_array_equal(from_levels(values), values)
