"""Percentiles without sorting against numpy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from haqagen_jax.nir.quantiles import counted_percentiles, percentiles_of

PLACES = (0.0, 0.3, 25.0, 50.0, 99.9, 100.0)


@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        st.integers(1, 60),
        elements={"min_value": -6e4, "max_value": 6e4},
    )
)
def test_of_floats(values):
    blocks = np.array_split(values, 3)
    found = percentiles_of(lambda: blocks, values.dtype, PLACES)
    np.testing.assert_array_equal(found, np.percentile(values.astype(np.float64), PLACES))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_floats_whose_last_digits_alone_differ(dtype):
    values = np.nextafter(dtype(1), dtype(2)) - dtype(1)
    values = dtype(1) + values * np.random.default_rng(0).integers(0, 90, 500).astype(dtype)
    found = percentiles_of(lambda: [values], values.dtype, PLACES)
    np.testing.assert_array_equal(found, np.percentile(values.astype(np.float64), PLACES))


@given(st.lists(st.integers(0, 30), min_size=1, max_size=50))
def test_of_counted_levels(values):
    counts = np.bincount(values, minlength=40)
    found = counted_percentiles(np.arange(40.0) ** 2, counts, PLACES)
    np.testing.assert_array_equal(found, np.percentile(np.square(values), PLACES))


def test_of_the_extremes_of_float64():
    most = np.finfo(np.float64).max
    values = np.array([-most, most])
    np.testing.assert_allclose(percentiles_of(lambda: [values], values.dtype, [25.0]), -most / 2)
