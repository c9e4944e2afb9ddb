"""Instance normalization: `b h w c` of any range; statistics are float32, the dtype is kept."""

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

EPSILON = 1e-5  # variance below which a normalization stops amplifying, as in the published code


def instance_norm(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Normalizes each channel of each image to mean 0 and variance 1, without parameters.

    Args:
        x: a map; statistics are taken in float32, over two passes.

    Returns:
        The normalized map, in the dtype of `x`; a constant channel becomes zeros.

    Reference: Ulyanov et al., "Instance Normalization" (2016); HAQAGen Sec. 3.2, "Autoencoder
    pretraining".
    """
    wide = at_least_float32(x)
    centered = wide - wide.mean((1, 2), keepdims=True)
    variance = jnp.square(centered).mean((1, 2), keepdims=True)
    return (centered * lax.rsqrt(variance + EPSILON)).astype(x.dtype)
