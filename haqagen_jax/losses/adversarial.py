"""Adversarial losses on patch logits `b h w 1`, unbounded; float32 inside, one value per image.

Hinge, for which a positive logit means real, and least squares, which wants 1 for real and 0 for
predictions.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired
from haqagen_jax.ops.precision import at_least_float32


def hinge_generator(logits: Images) -> Float[Array, " b"]:
    """Return minus the mean logit: the generator's side of one critic.

    Args:
        logits: the critic's answer to the prediction, one per patch.

    Returns:
        One value per image (b,), unbounded below.

    Reference: HAQAGen Eq. (2), first line.
    """
    return -at_least_float32(logits).mean((1, 2, 3))


def hinge_critic(real_logits: Images, fake_logits: Like) -> Float[Array, " b"]:
    """Return the hinge loss of one critic.

    Args:
        real_logits: the critic's answer to the target, one per patch.
        fake_logits: its answer to the prediction, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (2), second line.
    """
    real, fake = paired(real_logits, fake_logits, names=("real_logits", "fake_logits"))
    return (jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)).mean((1, 2, 3))


def least_squares_generator(logits: Images) -> Float[Array, " b"]:
    """Return the mean squared distance of the logits to 1: the generator's side of one critic.

    Args:
        logits: the critic's answer to the prediction, one per patch.

    Returns:
        One value per image (b,), at least 0.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks" (2017), Eq. (9), without
    its factor 1/2.
    """
    return jnp.square(at_least_float32(logits) - 1.0).mean((1, 2, 3))


def least_squares_critic(real_logits: Images, fake_logits: Like) -> Float[Array, " b"]:
    """Return the least-squares loss of one critic.

    Args:
        real_logits: the critic's answer to the target, one per patch.
        fake_logits: its answer to the prediction, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks" (2017), Eq. (9), without
    its factor 1/2.
    """
    real, fake = paired(real_logits, fake_logits, names=("real_logits", "fake_logits"))
    return (jnp.square(real - 1.0) + jnp.square(fake)).mean((1, 2, 3))
