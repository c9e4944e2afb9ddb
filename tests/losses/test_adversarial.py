import jax
import jax.numpy as jnp
import numpy as np

from haqagen_jax.losses import hinge_critic, hinge_generator

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
