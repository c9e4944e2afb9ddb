import numpy as np
import pytest

from haqagen_jax.ops.windows import hann, hann_2d


@pytest.mark.parametrize("size", [1, 2, 5, 256])
def test_hann_by_definition(size):
    expected = [np.sin(np.pi * (n + 0.5) / size) ** 2 for n in range(size)]
    np.testing.assert_allclose(hann(size), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 16, 256, 1024])
def test_hann_is_positive_and_symmetric(size):
    window = np.asarray(hann(size))
    assert (window > 0).all()
    assert window.max() <= 1
    np.testing.assert_allclose(window, window[::-1], rtol=1e-5)


@pytest.mark.parametrize("size", [2, 16, 256])
def test_half_overlapping_windows_add_up_to_one(size):
    window = np.asarray(hann(size))
    np.testing.assert_allclose(window[: size // 2] + window[size // 2 :], 1, atol=1e-6)


def test_hann_is_the_textbook_window_between_its_samples():
    # Every other sample of the window with its zeros, twice as fine, is ours.
    np.testing.assert_allclose(hann(8), np.hanning(17)[1::2], rtol=1e-6)


def test_hann_2d_is_separable():
    window = np.asarray(hann(6), np.float64)
    np.testing.assert_allclose(hann_2d(6), np.outer(window, window), rtol=1e-6)


def test_empty_window_is_refused():
    with pytest.raises(ValueError, match="size is 0"):
        hann(0)
