import jax
import jax.numpy as jnp
import numpy as np

from haqagen_jax.ops.normalize import instance_norm


def test_it_takes_each_channel_of_each_image():
    # A mean of 1000 would drown the variance in a one-pass formula.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 7, 4)) * [1, 10, 0.01, 1] + [0, 100, 1, 1000]
    expected = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    result = instance_norm(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-4)


def test_a_flat_map_becomes_zero_with_a_finite_gradient():
    flat = jnp.full((1, 4, 4, 2), 0.3)
    result, gradient = jax.value_and_grad(lambda x: jnp.abs(instance_norm(x)).sum())(flat)
    assert float(result) < 1e-3
    assert np.isfinite(gradient).all()


def test_it_keeps_the_dtype():
    assert instance_norm(jnp.ones((1, 2, 2, 1), jnp.bfloat16)).dtype == jnp.bfloat16
