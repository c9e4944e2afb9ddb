"""Integers of any type get the depth that their values need."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.images.levels import known_depth, output_dtype


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
        (np.array([[-1, 4]]), "from -1 to 4; bring them into 0 to 65535"),
        (np.array([[0, 65_536]]), "from 0 to 65536"),
    ],
)
def test_arrays_without_a_depth_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        known_depth(image)


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
