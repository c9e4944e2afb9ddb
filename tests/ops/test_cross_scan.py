import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.ops.cross_scan import cross_merge, cross_scan, cross_scan_each

SHAPES = [(1, 1, 1, 1), (2, 3, 5, 4), (1, 6, 2, 3), (1, 1, 7, 2), (2, 7, 1, 2)]


def _paths(h: int, w: int) -> list[list[tuple[int, int]]]:
    """The pixels that each direction visits, in order."""
    rows = [(i, j) for i in range(h) for j in range(w)]
    columns = [(i, j) for j in range(w) for i in range(h)]
    return [rows, columns, rows[::-1], columns[::-1]]


def _map(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_sequences_follow_their_paths(shape):
    x = _map(*shape)
    sequences = cross_scan(jnp.asarray(x))
    assert sequences.shape == (shape[0], shape[1] * shape[2], 4, shape[3])
    for k, path in enumerate(_paths(*shape[1:3])):
        for t, (i, j) in enumerate(path):
            np.testing.assert_array_equal(sequences[:, t, k], x[:, i, j])


@pytest.mark.parametrize("shape", SHAPES)
def test_merging_sums_what_the_paths_carry_to_each_pixel(shape):
    b, h, w, d = shape
    y = _map(b, h * w, 4, d)
    expected = np.zeros(shape, np.float64)
    for k, path in enumerate(_paths(h, w)):
        for t, (i, j) in enumerate(path):
            expected[:, i, j] += y[:, t, k]
    merged = cross_merge(jnp.asarray(y), height=h, width=w)
    np.testing.assert_allclose(merged, expected, rtol=1e-5, atol=1e-6)


def test_merging_a_scan_gives_four_times_the_map():
    x = jnp.asarray(_map(2, 5, 3, 4))
    np.testing.assert_allclose(cross_merge(cross_scan(x), height=5, width=3), 4 * x, rtol=1e-6)


def test_merging_is_the_gradient_of_scanning():
    x, y = jnp.asarray(_map(2, 5, 3, 4)), jnp.asarray(_map(2, 15, 4, 4, seed=1))
    gradient = jax.vjp(cross_scan, x)[1](y)[0]
    np.testing.assert_allclose(gradient, cross_merge(y, height=5, width=3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((1, 15, 4, 2), r"must be \[b, 12, 4, d\] for a map of 3 x 4"), ((1, 12, 3, 2), "12, 4, d")],
)
def test_sequences_of_another_map_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        cross_merge(jnp.zeros(shape), height=3, width=4)


def test_each_direction_may_have_its_own_map():
    maps = jnp.asarray(np.random.default_rng(5).random((2, 3, 4, 4, 5), np.float32))
    result = cross_scan_each(maps)
    for k in range(4):
        np.testing.assert_array_equal(result[:, :, k], cross_scan(maps[:, :, :, k])[:, :, k])
