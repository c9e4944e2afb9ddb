"""Adversarial losses on patch logits `b h w 1`, unbounded; float32 inside, one value per image.

Hinge, for which a positive logit means real, and least squares, whose goals are 1 for real images
and 0 for predictions.
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
        logits: Logits of the prediction, one per patch.

    Returns:
        One value per image (b,), unbounded below.

    Reference: HAQAGen Eq. (2), first line.

    Examples:
        >>> hinge_generator(jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1)).tolist()
        [-2.0]
    """
    return -at_least_float32(logits).mean((1, 2, 3))


def hinge_critic(real_logits: Images, fake_logits: Like) -> Float[Array, " b"]:
    """Return the hinge loss of one critic.

    Args:
        real_logits: Logits of the target, one per patch.
        fake_logits: Logits of the prediction, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (2), second line.

    Examples:
        >>> real, fake = jnp.full((1, 2, 2, 1), 0.5), jnp.full((1, 2, 2, 1), -2.0)
        >>> hinge_critic(real, fake).tolist()
        [0.5]
    """
    real, fake = paired(real_logits, fake_logits, names=("real_logits", "fake_logits"))
    return (jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)).mean((1, 2, 3))


def least_squares_generator(logits: Images) -> Float[Array, " b"]:
    """Return the mean squared distance of the logits to 1: the generator's side of one critic.

    Args:
        logits: Logits of the prediction, one per patch.

    Returns:
        One value per image (b,), at least 0.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks" (2017), Eq. (9), without
    its factor 1/2.

    Examples:
        >>> least_squares_generator(jnp.full((1, 2, 2, 1), 0.5)).tolist()
        [0.25]
    """
    return jnp.square(at_least_float32(logits) - 1.0).mean((1, 2, 3))


def least_squares_critic(real_logits: Images, fake_logits: Like) -> Float[Array, " b"]:
    """Return the least-squares loss of one critic.

    Args:
        real_logits: Logits of the target, one per patch.
        fake_logits: Logits of the prediction, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: Mao et al., "Least Squares Generative Adversarial Networks" (2017), Eq. (9), without
    its factor 1/2.

    Examples:
        >>> real, fake = jnp.full((1, 2, 2, 1), 0.5), jnp.full((1, 2, 2, 1), 2.0)
        >>> least_squares_critic(real, fake).tolist()
        [4.25]
    """
    real, fake = paired(real_logits, fake_logits, names=("real_logits", "fake_logits"))
    return (jnp.square(real - 1.0) + jnp.square(fake)).mean((1, 2, 3))
