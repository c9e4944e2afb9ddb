"""The precision of statistics, sums, states and losses: float32, whatever the inputs."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Num


def at_least_float32(x: Num[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Convert an array to float32, unless it is float64.

    float64 exists under JAX_ENABLE_X64 only, which comparisons with references use.

    Args:
        x: Numbers of any dtype and shape.

    Returns:
        The same values, float32 or float64.
    """
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
