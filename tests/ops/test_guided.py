"""The guided layer against a float64 loop over windows, and an independent evaluation."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haqagen_jax.ops.guided import (
    LEAST_EPS,
    _difference_mean,
    _sliding_mean,
    box_mean,
    guided_coefficients,
    guided_filter,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "guided_filter.npz"  # radius 3, eps 0.01


def boxes(x: np.ndarray, radius: int) -> np.ndarray:
    """Means over boxes that the border cuts off, one by one, in float64; x is (h, w, ...)."""
    out = np.empty(x.shape, np.float64)
    for i, j in np.ndindex(x.shape[:2]):
        rows = slice(max(i - radius, 0), i + radius + 1)
        columns = slice(max(j - radius, 0), j + radius + 1)
        out[i, j] = x[rows, columns].astype(np.float64).mean((0, 1))
    return out


def filtered(nir: np.ndarray, color: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Ridge regression in each window, and means of its coefficients; nir (h, w, 1)."""
    a, b = np.empty(color.shape), np.empty(color.shape)
    for i, j in np.ndindex(nir.shape[:2]):
        rows = slice(max(i - radius, 0), i + radius + 1)
        columns = slice(max(j - radius, 0), j + radius + 1)
        x = nir[rows, columns].reshape(-1).astype(np.float64)
        y = color[rows, columns].reshape(len(x), -1).astype(np.float64)
        left = np.array([[x @ x + eps * len(x), x.sum()], [x.sum(), len(x)]])
        a[i, j], b[i, j] = np.linalg.solve(left, np.stack([x @ y, y.sum(0)]))
    return boxes(a, radius) * nir + boxes(b, radius)


def weighted(
    nir: np.ndarray, color: np.ndarray, radius: int, eps: float, tolerance: float
) -> np.ndarray:
    """As `filtered`, with boxes weighted by the residual of their regression."""
    a, b = np.empty(color.shape), np.empty(color.shape)
    weight = np.empty((*nir.shape[:2], 1))
    for i, j in np.ndindex(nir.shape[:2]):
        rows = slice(max(i - radius, 0), i + radius + 1)
        columns = slice(max(j - radius, 0), j + radius + 1)
        x = nir[rows, columns].reshape(-1).astype(np.float64)
        y = color[rows, columns].reshape(len(x), -1).astype(np.float64)
        left = np.array([[x @ x + eps * len(x), x.sum()], [x.sum(), len(x)]])
        a[i, j], b[i, j] = np.linalg.solve(left, np.stack([x @ y, y.sum(0)]))
        residual = np.square(x[:, None] * a[i, j] + b[i, j] - y).mean()
        weight[i, j] = tolerance / (residual + tolerance)
    total = boxes(weight, radius)
    return boxes(weight * a, radius) / total * nir + boxes(weight * b, radius) / total


def pair(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    nir = rng.random((height, width, 1), np.float32)
    color = 0.5 * nir + 0.5 * rng.random((height, width, 3), np.float32)
    return nir, color


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 15), st.integers(0, 1000))
def test_box_means_are_those_of_a_loop(height, width, radius, seed):
    image = np.random.default_rng(seed).random((height, width, 2), np.float32)
    x, expected = jnp.asarray(image)[None], boxes(image, radius)
    # The last two are what the first computes on a CPU and elsewhere.
    for result in (box_mean(x, radius), _sliding_mean(radius, x), _difference_mean(radius, x)):
        np.testing.assert_allclose(result[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 2), (20, 17)])
@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-4), (3, 1e-2), (25, 1e-3)])
def test_filter_is_ridge_regression_in_windows(size, radius, eps):
    nir, color = pair(*size)
    result = guided_filter(jnp.asarray(nir)[None], jnp.asarray(color)[None], radius=radius, eps=eps)
    np.testing.assert_allclose(result[0], filtered(nir, color, radius, eps), rtol=0, atol=2e-5)


@pytest.mark.parametrize("size", [(1, 1), (13, 2), (20, 17)])
@pytest.mark.parametrize(("radius", "tolerance"), [(1, 1e-3), (3, 1e-2), (25, 1.0)])
def test_boxes_are_weighted_by_the_residual_of_their_regression(size, radius, tolerance):
    nir, color = pair(*size)
    inputs = jnp.asarray(nir)[None], jnp.asarray(color)[None]
    model = guided_coefficients(*inputs, radius=radius, eps=1e-3, tolerance=tolerance)
    expected = weighted(nir, color, radius, 1e-3, tolerance)
    np.testing.assert_allclose(model.apply(inputs[0])[0], expected, rtol=0, atol=2e-5)


def test_weights_keep_halos_narrow():
    """Two flat colors at nearly equal NIR: what leaks over the border between them."""
    nir = 0.5 + 0.01 * np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    color = np.zeros((1, 64, 64, 3), np.float32)
    color[:, :, 32:] = 1
    leaks = []
    for tolerance in (None, 1e-3):
        model = guided_coefficients(
            jnp.asarray(nir), jnp.asarray(color), radius=8, eps=1e-3, tolerance=tolerance
        )
        leaks.append(float(jnp.abs(model.apply(jnp.asarray(nir)) - color).mean()))
    assert leaks[1] < 0.5 * leaks[0]


def test_without_a_tolerance_all_boxes_are_alike():
    nir, color = (jnp.asarray(x)[None] for x in pair(12, 9))
    plain = guided_coefficients(nir, color, radius=2, eps=1e-3)
    wide = guided_coefficients(nir, color, radius=2, eps=1e-3, tolerance=1e6)
    for a, b in zip(plain, wide, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match=r"tolerance is 0.0; must be positive, or None"):
        guided_coefficients(nir, color, radius=2, eps=1e-3, tolerance=0.0)


def test_filter_equals_an_evaluation_that_is_not_ours():
    with np.load(GOLDEN) as golden:
        guide, image, expected = (np.moveaxis(golden[k], 1, -1) for k in ("guide", "x", "y"))
    result = guided_filter(jnp.asarray(guide), jnp.asarray(image), radius=3, eps=0.01)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)


def test_large_images_lose_no_precision():
    # Cumulative sums grow with the image; the moments are taken about its mean for that reason.
    nir, color = pair(512, 512)
    nir = 0.9 + 0.01 * nir  # little contrast, far from zero
    result = guided_filter(jnp.asarray(nir)[None], jnp.asarray(color)[None], radius=4, eps=1e-6)
    corner = filtered(nir[480:, 480:], color[480:, 480:], 4, 1e-6)
    np.testing.assert_allclose(result[0, 490:, 490:], corner[10:, 10:], rtol=0, atol=2e-3)


def test_an_affine_color_is_kept_exactly_and_a_flat_guide_means_the_mean():
    nir, color = pair(16, 16)
    affine = 0.3 * nir + np.array([0.1, 0.2, 0.3], np.float32)
    result = guided_filter(jnp.asarray(nir)[None], jnp.asarray(affine)[None], radius=2, eps=1e-6)
    np.testing.assert_allclose(result[0], affine, rtol=0, atol=1e-4)
    flat = np.full_like(nir, 0.4)
    result = guided_filter(jnp.asarray(flat)[None], jnp.asarray(color)[None], radius=2, eps=1e-4)
    np.testing.assert_allclose(result[0], boxes(boxes(color, 2), 2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("radius", [1, 16])
def test_the_least_eps_leaves_rounding_out(radius):
    """Beside detail, a flat guide at 0.9: the smaller eps, the more float32 makes of its noise."""
    nir, color = pair(128, 128)
    nir = np.where(np.arange(128)[:, None, None] < 64, nir, np.float32(0.9))
    result = guided_filter(
        jnp.asarray(nir)[None], jnp.asarray(color)[None], radius=radius, eps=LEAST_EPS
    )
    expected = filtered(nir, color, radius, LEAST_EPS)
    np.testing.assert_allclose(result[0], expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("scale", [0.0, 1e-10, 1e-5, 1.0, 1e5])
def test_gradients_are_finite_and_right(scale):
    nir, color = (jnp.asarray(x)[None] for x in pair(6, 7))
    weights = jnp.asarray(np.random.default_rng(1).standard_normal((1, 6, 7, 3)), jnp.float32)

    def total(nir, color):
        return (guided_filter(nir, color, radius=2, eps=1e-3) * weights).sum()

    gradients = jax.grad(total, argnums=(0, 1))(scale * nir, scale * color)
    assert all(np.isfinite(x).all() for x in gradients)
    if scale == 1.0:
        step = 1e-2
        for argument, at in ((0, (0, 2, 3, 0)), (1, (0, 5, 0, 1))):
            ends = []
            for sign in (step, -step):
                moved = [np.array(nir, np.float64), np.array(color, np.float64)]
                moved[argument][at] += sign
                ends.append((filtered(moved[0][0], moved[1][0], 2, 1e-3) * weights[0]).sum())
            slope = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradients[argument][at], slope, rtol=2e-2)


def test_coefficients_at_the_images_size_give_the_filter():
    nir, color = (jnp.asarray(x)[None] for x in pair(9, 8))
    coefficients = guided_coefficients(nir, color, radius=2, eps=1e-3)
    assert coefficients.a.shape == coefficients.b.shape == (1, 9, 8, 3)
    assert coefficients.a.dtype == jnp.float32
    expected = guided_filter(nir, color, radius=2, eps=1e-3)
    np.testing.assert_array_equal(coefficients.apply(nir), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": 0}, "radius is 0; must be at least 1"),
        ({"eps": 0.0}, r"eps is 0\.0; must be at least 1e-06"),
        ({"eps": float("nan")}, "eps is nan; must be at least 1e-06"),
    ],
)
def test_what_is_out_of_range_is_refused(change, message):
    nir, color = (jnp.asarray(x)[None] for x in pair(4, 4))
    with pytest.raises(ValueError, match=message):
        guided_filter(nir, color, **{"radius": 1, "eps": 1e-3} | change)
    with pytest.raises(ValueError, match="of the same b, h and w"):
        guided_filter(nir[:, :3], color, radius=1, eps=1e-3)
    with pytest.raises(ValueError, match="radius is -1"):
        box_mean(color, -1)
