from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.losses import cdf_l1

GOLDEN = Path(__file__).parents[1] / "golden" / "parts" / "losses_metrics.npz"
KERNELS = ["triangular", "logistic"]


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def _published(values, target, bins, total):
    """Give what the published code computes: tau is the spacing plus 1e-6, mass is `total`."""
    return total * cdf_l1(values, target, bins=bins, tau=1 / (bins - 1) + 1e-6).mean()


@pytest.mark.parametrize("bins", [64, 256])
def test_value_and_gradient_of_the_published_code(bins, golden):
    prediction, target = jnp.asarray(golden["prediction"]), jnp.asarray(golden["target"])
    total = golden[f"histogram_bins{bins}"].sum() / 6
    value, gradient = jax.value_and_grad(_published)(prediction, target, bins, total)
    np.testing.assert_allclose(value, golden[f"cdf_l1_bins{bins}"], rtol=1e-6)
    expected = golden[f"cdf_l1_bins{bins}_grad"]
    # Within rounding of a center, a kink of the kernel, either side's slope is right.
    position = golden["prediction"].astype(np.float64) * (bins - 1)
    smooth = np.abs(position - np.round(position)) > 3e-4
    assert smooth.mean() > 0.99
    np.testing.assert_allclose(np.asarray(gradient)[smooth], expected[smooth], rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("kernel", KERNELS)
def test_shifted_flat_image_by_hand(kernel):
    # Two flat images on centers 4 and 12 of 16: their CDFs differ by one over eight of 16 bins.
    flat = [jnp.full((1, 6, 6, 3), level / 15) for level in (4, 12)]
    value = cdf_l1(*flat, bins=16, kernel=kernel, tau=1e-3)
    np.testing.assert_allclose(value, 8 / 16, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_images_cost_nothing_and_pull_nowhere(kernel):
    image = jnp.asarray(np.random.default_rng(0).random((2, 9, 7, 3), np.float32))
    value, gradient = jax.value_and_grad(lambda x: cdf_l1(x, image, kernel=kernel).sum())(image)
    assert float(value) == 0
    assert np.isfinite(gradient).all()


def test_value_is_per_image_and_ignores_where_pixels_are():
    rng = np.random.default_rng(1)
    prediction, target = rng.random((2, 3, 8, 8, 3), np.float32)
    both = cdf_l1(prediction, target)
    assert both.shape == (3,)
    alone = [cdf_l1(p[None], t[None])[0] for p, t in zip(prediction, target, strict=True)]
    np.testing.assert_allclose(both, alone, rtol=1e-5)
    moved = cdf_l1(prediction[:, ::-1], target.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(both, moved, rtol=1e-4)


def test_following_the_gradient_moves_the_colors_together():
    rng = np.random.default_rng(2)
    target = jnp.asarray(0.3 + 0.2 * rng.random((1, 16, 16, 1), np.float32))
    image = jnp.asarray(0.5 + 0.2 * rng.random((1, 16, 16, 1), np.float32))
    step = jax.jit(jax.value_and_grad(lambda x: cdf_l1(x, target).sum()))
    first, _ = step(image)
    for _ in range(60):
        value, gradient = step(image)
        image = image - 2.0 * gradient
    assert float(value) < 0.5 * float(first)
