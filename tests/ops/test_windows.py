import numpy as np
import pytest

from haqagen_jax.ops.windows import WINDOWS, window

SIZES = [1, 2, 3, 16, 255, 1024]


@pytest.mark.parametrize("size", SIZES)
def test_by_definition(size):
    positions = [(n + 0.5) / size for n in range(size)]
    hann = [np.sin(np.pi * x) ** 2 for x in positions]
    np.testing.assert_allclose(window("hann", size), hann, rtol=1e-6)
    np.testing.assert_allclose(np.square(window("cosine", size)), hann, rtol=1e-6)
    triangle = [2 * min(x, 1 - x) for x in positions]
    np.testing.assert_allclose(window("triangle", size), triangle, rtol=1e-6)
    np.testing.assert_array_equal(window("flat", size), 1)


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("size", SIZES)
def test_positive_and_symmetric(name, size):
    values = np.asarray(window(name, size))
    assert (values > 0).all()
    assert values.max() <= 1
    np.testing.assert_allclose(values, values[::-1], rtol=1e-5)


@pytest.mark.parametrize("name", ["hann", "triangle"])
@pytest.mark.parametrize("size", [2, 16, 256])
def test_half_overlapping_windows_add_up_to_one(name, size):
    values = np.asarray(window(name, size))
    np.testing.assert_allclose(values[: size // 2] + values[size // 2 :], 1, atol=1e-6)


def test_the_textbook_windows_between_their_samples():
    # Every other sample of the windows with their zeros, twice as fine, is ours.
    np.testing.assert_allclose(window("hann", 8), np.hanning(17)[1::2], rtol=1e-6)
    np.testing.assert_allclose(window("triangle", 8), np.bartlett(17)[1::2], rtol=1e-6)


def test_refused():
    with pytest.raises(ValueError, match="size is 0"):
        window("hann", 0)
    with pytest.raises(ValueError, match="window = 'boxcar': must be one of hann, cosine"):
        window("boxcar", 4)
