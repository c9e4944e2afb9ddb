"""Two batches through one network: interleaved, so that each device keeps its own examples.

Were they concatenated, examples of a batch that is split over devices would move between them.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def interleave(first: Float[Array, "b *n"], second: Float[Array, "b *n"]) -> Float[Array, "b2 *n"]:
    """Join two batches, their examples alternating.

    Args:
        first: Examples, the batch axis first.
        second: Examples of the same shape.

    Returns:
        Twice as many examples: first[0], second[0], first[1], second[1] ...
    """
    return jnp.stack([first, second], 1).reshape(-1, *first.shape[1:])


def deinterleave(both: Float[Array, "b2 *n"]) -> tuple[Float[Array, "b *n"], Float[Array, "b *n"]]:
    """Split what `interleave` has joined.

    Args:
        both: An even number of examples, the batch axis first.

    Returns:
        The examples of even index, and those of odd index.
    """
    pairs = both.reshape(-1, 2, *both.shape[1:])
    return pairs[:, 0], pairs[:, 1]
