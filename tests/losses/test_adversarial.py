import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.losses import (
    hinge_critic,
    hinge_generator,
    least_squares_critic,
    least_squares_generator,
)

RNG = np.random.default_rng(0)
REAL, FAKE = (2 * RNG.standard_normal((2, 3, 4, 5, 1))).astype(np.float32)


def test_generator_wants_high_logits():
    np.testing.assert_allclose(hinge_generator(FAKE), [-image.mean() for image in FAKE], rtol=1e-5)


def test_critic_by_hand():
    expected = [
        np.mean([max(0, 1 - r) + max(0, 1 + f) for r, f in zip(real.flat, fake.flat, strict=True)])
        for real, fake in zip(REAL, FAKE, strict=True)
    ]
    np.testing.assert_allclose(hinge_critic(REAL, FAKE), expected, rtol=1e-5)


def test_critic_is_content_beyond_the_margin():
    value, gradients = jax.value_and_grad(lambda r, f: hinge_critic(r, f).sum(), (0, 1))(
        jnp.full((1, 2, 2, 1), 1.5), jnp.full((1, 2, 2, 1), -1.5)
    )
    assert float(value) == 0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros((1, 2, 2, 1)))


def test_undecided_critic_pays_two():
    zeros = jnp.zeros((1, 2, 2, 1))
    np.testing.assert_array_equal(hinge_critic(zeros, zeros), [2.0])


def test_least_squares_by_hand():
    real, fake = REAL.astype(np.float64), FAKE.astype(np.float64)
    generator = [np.mean([(f - 1) ** 2 for f in image.flat]) for image in fake]
    critic = [
        np.mean([(r - 1) ** 2 for r in r.flat]) + np.mean([f**2 for f in f.flat])
        for r, f in zip(real, fake, strict=True)
    ]
    np.testing.assert_allclose(least_squares_generator(FAKE), generator, rtol=1e-5)
    np.testing.assert_allclose(least_squares_critic(REAL, FAKE), critic, rtol=1e-5)


def test_least_squares_pull_to_one_and_to_zero():
    size = REAL[0].size
    pull = jax.grad(lambda f: least_squares_generator(f).sum())(jnp.asarray(FAKE))
    np.testing.assert_allclose(pull, 2 * (FAKE - 1) / size, rtol=1e-5, atol=1e-7)
    pulls = jax.grad(lambda r, f: least_squares_critic(r, f).sum(), (0, 1))(
        jnp.asarray(REAL), jnp.asarray(FAKE)
    )
    np.testing.assert_allclose(pulls[0], 2 * (REAL - 1) / size, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(pulls[1], 2 * FAKE / size, rtol=1e-5, atol=1e-7)


def test_least_squares_critic_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"real_logits has shape .* and fake_logits"):
        least_squares_critic(REAL, FAKE[:, :1])


def test_least_squares_take_low_precision_in_float32():
    value = least_squares_generator(jnp.full((1, 3, 3, 1), 3.0, jnp.bfloat16))
    assert value.dtype == jnp.float32
    np.testing.assert_array_equal(value, [4.0])
