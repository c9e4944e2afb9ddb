"""Resampling against loops over the outputs, in float64."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.ops.resample import adaptive_mean, halve, resize_bilinear, resize_nearest

# (from, to): up and down, whole ratios and others, one sample, another ratio on each axis.
SIZES = [
    ((4, 6), (8, 3)),
    ((5, 7), (8, 10)),
    ((8, 10), (5, 7)),
    ((1, 3), (4, 1)),
    ((6, 5), (6, 5)),
    ((3, 9), (7, 3)),
]


def _map(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, height, width, 3), np.float32)


def _loop(x, size, sample):
    x = x.astype(np.float64)
    rows = [[sample(x, i, j) for j in range(size[1])] for i in range(size[0])]
    return np.stack([np.stack(row, 1) for row in rows], 1)


def _nearest(x, size):
    _, h, w, _ = x.shape
    return _loop(x, size, lambda x, i, j: x[:, i * h // size[0], j * w // size[1]])


def _bilinear(x, size):
    def split(i: int, n: int, count: int) -> tuple[int, int, float]:
        position = i * (n - 1) / (count - 1) if count > 1 else 0.0
        low = min(int(position + 1e-9), n - 1)
        return low, min(low + 1, n - 1), position - low

    def sample(x, i, j):
        i0, i1, down = split(i, x.shape[1], size[0])
        j0, j1, across = split(j, x.shape[2], size[1])
        top = (1 - across) * x[:, i0, j0] + across * x[:, i0, j1]
        bottom = (1 - across) * x[:, i1, j0] + across * x[:, i1, j1]
        return (1 - down) * top + down * bottom

    return _loop(x, size, sample)


def _cells(x, size):
    def cell(i: int, n: int, count: int) -> slice:
        return slice(math.floor(i * n / count), math.ceil((i + 1) * n / count))

    def sample(x, i, j):
        return x[:, cell(i, x.shape[1], size[0]), cell(j, x.shape[2], size[1])].mean((1, 2))

    return _loop(x, size, sample)


CASES = [(resize_nearest, _nearest), (resize_bilinear, _bilinear), (adaptive_mean, _cells)]


@pytest.mark.parametrize(("start", "end"), SIZES)
@pytest.mark.parametrize(("function", "reference"), CASES)
def test_resizing(function, reference, start, end):
    x = _map(*start)
    y = function(jnp.asarray(x), height=end[0], width=end[1])
    np.testing.assert_allclose(y, reference(x, end), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("start", "end"), SIZES)
@pytest.mark.parametrize(("function", "reference"), CASES)
def test_gradients(function, reference, start, end):
    # All three are linear: the gradient in a direction is the result for that direction.
    function = functools.partial(function, height=end[0], width=end[1])
    dy = np.random.default_rng(1).standard_normal((2, *end, 3), np.float32)
    gradient = jax.vjp(function, jnp.zeros((2, *start, 3)))[1](jnp.asarray(dy))[0]
    direction = _map(*start)
    slope = (reference(direction, end) * dy).sum()
    np.testing.assert_allclose((np.float64(gradient) * direction).sum(), slope, rtol=1e-4)


def test_bilinear_keeps_the_corners():
    x = _map(5, 7)
    y = resize_bilinear(jnp.asarray(x), height=13, width=4)
    np.testing.assert_allclose(y[:, ::12, ::3], x[:, ::4, ::6], rtol=1e-6)


def test_cells_of_the_agents_overlap_where_they_must():
    # 10 columns in 7 cells: the second covers columns 1 and 2, the third 2 to 4.
    x = jnp.zeros((1, 12, 10, 1)).at[:, :, 2].set(1.0)
    cells = adaptive_mean(x, height=7, width=7)[0, 0, :, 0]
    np.testing.assert_allclose(cells, [0, 1 / 2, 1 / 3, 0, 0, 0, 0], rtol=1e-6)


def test_halving():
    x = _map(4, 6)
    expected = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    np.testing.assert_allclose(halve(jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)
