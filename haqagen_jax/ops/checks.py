"""Types of the arrays that public functions take, and the check that two shapes are equal."""

import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

AnyArray = Array | np.ndarray
Images = Float[AnyArray, "b h w c"]
# Any shape, so that `paired` answers a mismatch with a message of ours in tests too.
Like = Float[AnyArray, "..."]


def paired(
    prediction: Like, target: Like, *, names: tuple[str, str] = ("prediction", "target")
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Return both arrays in float32 after checking that they have the same shape.

    Args:
        prediction: Array of any shape.
        target: Array of the same shape; nothing is broadcast.
        names: What the error message calls the two.

    Returns:
        The two arrays in float32.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"{names[0]} has shape {prediction.shape} and {names[1]} {target.shape}; they must "
            "be equal: crop or resize one of them (nothing is broadcast)"
        )
    return at_least_float32(prediction), at_least_float32(target)
