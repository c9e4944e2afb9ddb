"""Integers of any type get the depth that their values need."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.images.levels import known_depth, output_dtype
from haqagen_jax.images.nodata import valid


@pytest.mark.parametrize(
    ("dtype", "highest", "want"),
    [
        ("uint8", 255, "uint8"),
        ("uint16", 3, "uint16"),
        ("int64", 255, "uint8"),
        ("int8", 100, "uint8"),
        ("int16", 256, "uint16"),
        ("uint64", 65_535, "uint16"),
        ("float16", 1, "float32"),
        ("float64", 1, "float32"),
    ],
)
def test_the_depth_follows_from_the_type_and_the_values(dtype, highest, want):
    image = np.array([[0, highest]], dtype)
    got = known_depth(image)
    assert output_dtype(got.dtype) == want
    np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.array([[True]]), "pixels are bool"),
        (np.array([[1j]]), "pixels are complex128"),
    ],
)
def test_arrays_without_a_depth_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        known_depth(image)


@pytest.mark.parametrize(
    ("image", "want"),
    [
        (np.array([[-1, 4]]), np.array([[0, 5]], "u2")),
        (np.array([[-128, 127]], "i1"), np.array([[0, 255]], "u1")),
        (np.array([[-32_768, 32_767]], ">i2"), np.array([[0, 65_535]], "u2")),
        (np.array([[4, 65_536]], "u4"), np.array([[0, 65_532]], "u2")),
        (np.array([[0, 65_536]], "u4"), np.array([[0.0, 65_536]])),
        (np.array([[-5, 2**40]]), np.array([[-5.0, 2**40]])),
        (np.array([[1, 258]], ">u2"), np.array([[1, 258]], "u2")),
        (np.array([[1, 2]], ">f4"), np.array([[1, 2]], "f4")),
        (np.ma.masked_equal(np.array([[-9999, 3, 200]], "i2"), -9999), np.array([[3, 200]], "u1")),
    ],
)
def test_other_integers_keep_their_order_and_distances(image, want):
    got = known_depth(image)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(valid(got).ravel(), want.ravel())


NAMES = [name for name in dir(ml_dtypes) if name[-1].isdigit()]
FOREIGN = [name for name in NAMES if np.dtype(getattr(ml_dtypes, name)).kind == "V"]


@pytest.mark.parametrize("name", FOREIGN)
def test_floats_that_numpy_lacks_become_float32_and_others_are_refused(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    image = np.ones((1, 1), dtype)
    if jnp.issubdtype(dtype, jnp.floating):
        assert known_depth(image).dtype == np.float32
    else:
        with pytest.raises(InputError, match="give integers or floats"):
            known_depth(image)
