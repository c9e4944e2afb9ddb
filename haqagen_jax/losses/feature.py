"""Distances between feature maps: `b h w c`, any range, float32 inside, one value per image.

These functions take features, not images: the caller chooses the network that computes them.
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
        prediction: Features of the prediction.
        target: Features of the target, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (3); the mean in place of the sum is ours.

    Examples:
        >>> squared_distance(jnp.ones((2, 4, 4, 8)), jnp.zeros((2, 4, 4, 8))).tolist()
        [1.0, 1.0]
    """
    prediction, target = paired(prediction, target)
    return jnp.square(prediction - target).mean((1, 2, 3))


def cosine_distance(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean over positions of 1 - cos between the channel vectors.

    Args:
        prediction: Features of the prediction.
        target: Features of the target, the same shape.

    Returns:
        One value per image (b,), in [0, 2]; exactly 0 at equality, zero vectors included.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (3), the gamma term.

    Examples:
        >>> first = jnp.array([3.0, 0.0]).reshape(1, 1, 1, 2)
        >>> second = jnp.array([0.0, 4.0]).reshape(1, 1, 1, 2)
        >>> round(float(cosine_distance(first, second)[0]), 4)
        1.0
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
        prediction: The texture encoder's features of the prediction.
        target: Features of the target, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (3), the alpha term.

    Examples:
        >>> features = jnp.arange(32.0).reshape(1, 4, 4, 2)
        >>> texture_l2(features, features).tolist()  # normalization removes shifts, too
        [0.0]
    """
    prediction, target = paired(prediction, target)
    return squared_distance(instance_norm(prediction), instance_norm(target))


def texture_cosine(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the cosine distance over channels of instance-normalized texture features.

    Args:
        prediction: The texture encoder's features of the prediction.
        target: Features of the target, the same shape.

    Returns:
        One value per image (b,), in [0, 2].

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (3), the gamma term.

    Examples:
        >>> features = jnp.arange(32.0).reshape(1, 4, 4, 2)
        >>> round(float(texture_cosine(features, -features)[0]), 4)
        2.0
    """
    prediction, target = paired(prediction, target)
    return cosine_distance(instance_norm(prediction), instance_norm(target))


def vgg_l2(prediction: Images, target: Like) -> Float[Array, " b"]:
    """Return the mean squared difference of VGG's relu4_2 features.

    Args:
        prediction: Features (relu4_2) of the prediction.
        target: Features of the target, the same shape.

    Returns:
        One value per image (b,), at least 0.

    Raises:
        ValueError: The shapes differ.

    Reference: HAQAGen Eq. (3), the delta term.

    Examples:
        >>> vgg_l2(jnp.full((1, 4, 4, 512), 2.0), jnp.zeros((1, 4, 4, 512))).tolist()
        [4.0]
    """
    return squared_distance(prediction, target)
