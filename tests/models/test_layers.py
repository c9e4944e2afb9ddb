import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.layers import (
    Conv3x3,
    ConvTranspose4x4Up,
    DepthwiseConv3x3,
    SpectralConv,
    even_phases,
)


@pytest.mark.parametrize(("layer", "fan_in"), [(Conv3x3(32), 9 * 16), (DepthwiseConv3x3(), 9)])
def test_initial_kernels_are_uniform_with_a_third_of_the_inverse_fan_in(layer, fan_in):
    params = jax.jit(layer.init)(jax.random.key(0), jnp.zeros((1, 4, 4, 16)))["params"]
    bound = fan_in**-0.5
    assert float(jnp.abs(params["kernel"]).max()) == pytest.approx(bound, rel=0.05)
    assert float(params["kernel"].var()) == pytest.approx(bound**2 / 3, rel=0.2)
    np.testing.assert_array_equal(params["bias"], 0)


def test_transposed_convolutions_start_without_a_checkerboard():
    # Bilinear upsampling of random mixtures: a slope stays a slope, except at the borders.
    channels = np.random.default_rng(0).standard_normal(16)
    rows, columns = np.mgrid[0:6, 0:8]
    x = (rows + 3 * columns)[None, ..., None] * channels
    layer = ConvTranspose4x4Up(32)
    y, variables = jax.jit(layer.init_with_output)(jax.random.key(0), jnp.float32(x))
    mixing = np.float64(variables["params"]["kernel"].sum((0, 1)) / 4)
    rows, columns = np.mgrid[0:12, 0:16] / 2 - 0.25
    expected = (rows + 3 * columns)[..., None] * (channels @ mixing)
    np.testing.assert_allclose(y[0, 1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-4)
    assert mixing.var() == pytest.approx(1 / (3 * 16), rel=0.2)


@pytest.mark.parametrize("even", [False, True])
def test_even_phases_answer_a_flat_map_with_a_flat_map(even):
    rng = np.random.default_rng(0)
    kernel = jnp.float32(rng.standard_normal((4, 4, 3, 5)))
    variables = {"params": {"kernel": kernel, "bias": np.zeros(5, np.float32)}}
    flat = jnp.broadcast_to(jnp.float32(rng.standard_normal(3)), (1, 6, 7, 3))
    y: Any = ConvTranspose4x4Up(5, even).apply(variables, flat)
    assert (float(jnp.ptp(y[0, 1:-1, 1:-1], (0, 1)).max()) < 1e-5) is even


def test_even_phases_is_the_nearest_such_kernel():
    # The conditions are linear: the nearest kernel is their projection, here by least squares.
    kernel = np.random.default_rng(0).standard_normal((4, 4, 1, 1))
    sums = np.zeros((4, 4, 4))
    for phase, (y, x) in enumerate(np.ndindex(2, 2)):
        sums[phase, y::2, x::2] = 1
    conditions = (sums[1:] - sums[:1]).reshape(3, 16)
    correction = np.linalg.lstsq(conditions, conditions @ kernel.reshape(16), rcond=None)[0]
    expected = kernel.reshape(16) - correction
    np.testing.assert_allclose(even_phases(jnp.float32(kernel)).reshape(16), expected, atol=1e-6)


CONVOLUTION = SpectralConv(6, 3, padding=0)


def _apply(variables: dict, x: jax.Array, *, train: bool) -> tuple[jax.Array, dict]:
    return _jitted(variables, x, train=train)


@functools.partial(jax.jit, static_argnames="train")
def _jitted(variables, x, *, train):
    y, state = CONVOLUTION.apply(variables, x, train=train, mutable=["spectral"])
    return y, {**variables, **state}


@pytest.fixture(scope="module")
def spectral() -> dict:
    """Variables with a kernel of clear singular values, and vectors that are not its own."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((3, 3, 4, 6)).astype(np.float32)
    u, v = (x / np.linalg.norm(x) for x in (rng.standard_normal(n) for n in (6, 36)))
    return {
        "params": {"kernel": kernel, "bias": np.zeros(6, np.float32)},
        "spectral": {"u": np.float32(u), "v": np.float32(v)},
    }


# One input a batch entry: the outputs are the rows of the kernel that the layer really uses.
IMPULSES = jnp.eye(36).reshape(36, 3, 3, 4)


def _largest(matrix: np.ndarray | jax.Array) -> float:
    return float(np.linalg.svd(np.float64(matrix), compute_uv=False)[0])


def test_training_normalizes_to_the_largest_singular_value(spectral):
    variables = spectral
    for _ in range(100):
        y, variables = _apply(variables, IMPULSES, train=True)
    assert _largest(y[:, 0, 0]) == pytest.approx(1, abs=1e-5)
    kernel = spectral["params"]["kernel"].reshape(36, 6)
    np.testing.assert_allclose(y[:, 0, 0], kernel / _largest(kernel), rtol=1e-4, atol=1e-6)


def test_training_takes_one_step_of_power_iteration(spectral):
    y, variables = _apply(spectral, IMPULSES, train=True)
    matrix = np.float64(spectral["params"]["kernel"].reshape(36, 6))
    v = matrix @ spectral["spectral"]["u"]
    v /= np.linalg.norm(v)
    u = v @ matrix
    u /= np.linalg.norm(u)
    np.testing.assert_allclose(variables["spectral"]["v"], v, atol=1e-6)
    np.testing.assert_allclose(variables["spectral"]["u"], u, atol=1e-6)
    np.testing.assert_allclose(y[:, 0, 0], matrix / (v @ matrix @ u), rtol=1e-5, atol=1e-6)


def test_evaluation_uses_the_state_and_leaves_it(spectral):
    y, variables = _apply(spectral, IMPULSES, train=False)
    jax.tree.map(np.testing.assert_array_equal, variables["spectral"], spectral["spectral"])
    matrix = np.float64(spectral["params"]["kernel"].reshape(36, 6))
    sigma = spectral["spectral"]["v"] @ matrix @ spectral["spectral"]["u"]
    np.testing.assert_allclose(y[:, 0, 0], matrix / sigma, rtol=1e-4, atol=1e-5)


def test_initial_vectors_have_converged():
    variables = jax.jit(CONVOLUTION.init, static_argnames="train")(
        jax.random.key(3), IMPULSES, train=False
    )
    y, _ = _apply(variables, IMPULSES, train=False)
    assert _largest(y[:, 0, 0]) == pytest.approx(1, abs=0.02)


def test_gradients_pass_through_the_singular_value_but_not_its_vectors(spectral):
    weights = np.random.default_rng(1).standard_normal((36, 6))

    @jax.jit
    def slope(params):
        def total(params):
            y: Any = CONVOLUTION.apply({**spectral, "params": params}, IMPULSES, train=False)
            return (y[:, 0, 0] * jnp.asarray(weights, jnp.float32)).sum()

        return jax.grad(total)(params)

    u, v = (np.asarray(spectral["spectral"][name], np.float64) for name in ("u", "v"))
    matrix = np.asarray(spectral["params"]["kernel"].reshape(36, 6), np.float64)
    sigma = v @ matrix @ u
    # d(W / sigma) with sigma = v . W u for constant u and v.
    expected = weights / sigma - (weights * matrix).sum() / sigma**2 * np.outer(v, u)
    result = slope(spectral["params"])["kernel"].reshape(36, 6)
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
