"""Distances between feature maps: `b h w c`, any range, float32 inside, one value per image.

These functions take features, not images: which network made them is the caller's business.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images, Like, paired
from haqagen_jax.ops.normalize import instance_norm

# Squared length of the constant coordinate that keeps the cosine of zero vectors defined.
_COSINE_EPSILON = 1e-8


def squared_distance(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean squared difference over positions and channels.

    Args:
        prediction: features.
        target: features of the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (3); the mean in place of the sum is ours.
    """
    prediction, target = paired(prediction, target)
    return jnp.square(prediction - target).mean((1, 2, 3))


def cosine_distance(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean over positions of 1 - cos between the channel vectors.

    Args:
        prediction: features.
        target: features of the same shape.

    Returns:
        One value per image (b,), in [0, 2]; exactly 0 at equality, zero vectors included.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (3), the gamma term.
    """
    prediction, target = paired(prediction, target)
    # 1 - cos is half the squared distance of the unit vectors, which does not cancel when the two
    # are nearly parallel. Each vector gets one more, constant coordinate sqrt(epsilon).
    p = jax.lax.rsqrt(jnp.square(prediction).sum(-1, keepdims=True) + _COSINE_EPSILON)
    t = jax.lax.rsqrt(jnp.square(target).sum(-1, keepdims=True) + _COSINE_EPSILON)
    gap = jnp.square(prediction * p - target * t).sum(-1)
    constant = _COSINE_EPSILON * jnp.square(p - t)[..., 0]
    return 0.5 * (gap + constant).mean((1, 2))


def texture_l2(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the squared distance of instance-normalized texture features.

    Args:
        prediction: the texture encoder's features of the prediction.
        target: those of the target, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (3), the alpha term.
    """
    prediction, target = paired(prediction, target)
    return squared_distance(instance_norm(prediction), instance_norm(target))


def texture_cosine(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the cosine distance over channels of instance-normalized texture features.

    Args:
        prediction: the texture encoder's features of the prediction.
        target: those of the target, the same shape.

    Returns:
        One value per image (b,), in [0, 2].

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (3), the gamma term.
    """
    prediction, target = paired(prediction, target)
    return cosine_distance(instance_norm(prediction), instance_norm(target))


def vgg_l2(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean squared difference of VGG's relu4_2 features.

    Args:
        prediction: relu4_2 features of the prediction.
        target: those of the target, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: the shapes differ.

    Reference: HAQAGen Eq. (3), the delta term.
    """
    return squared_distance(prediction, target)
