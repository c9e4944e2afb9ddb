"""What is computed in float32 whatever the inputs: statistics, sums, states, losses."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Num


def at_least_float32(x: Num[Array | np.ndarray, "*shape"]) -> Float[Array, "*shape"]:
    """Convert to float32, and leave float64 as it is: for comparisons with JAX_ENABLE_X64.

    Args:
        x: any numbers.

    Returns:
        The same values and shape.
    """
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
