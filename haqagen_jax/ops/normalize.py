"""Instance normalization: `b h w c` of any range; statistics are float32, the dtype is kept."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

EPSILON = 1e-5  # added to the variance of all normalizations, as in the published code


def instance_norm(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Normalize each channel of each image to mean 0 and variance 1, without parameters.

    Args:
        x: Feature map, b h w c; statistics are taken in float32, over two passes.

    Returns:
        The normalized map, in the shape and dtype of `x`; a constant channel becomes zeros.

    Reference: Ulyanov et al., "Instance Normalization" (2016); HAQAGen Sec. 3.2, "Autoencoder
    pretraining".

    Examples:
        >>> y = instance_norm(jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1))
        >>> [round(float(value), 3) for value in y.ravel()]
        [-1.0, 1.0]
    """
    wide = at_least_float32(x)
    centered = wide - wide.mean((1, 2), keepdims=True)
    variance = jnp.square(centered).mean((1, 2), keepdims=True)
    return (centered * lax.rsqrt(variance + EPSILON)).astype(x.dtype)
