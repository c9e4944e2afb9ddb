"""Two batches through one network: joined so that each device keeps its own examples.

Joined end to end, the halves of a batch that is split over devices would have to change places.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


def by_turns(first: Float[Array, "b *n"], second: Float[Array, "b *n"]) -> Float[Array, "b2 *n"]:
    """Join two batches.

    Args:
        first: examples.
        second: as many, of the same shape.

    Returns:
        The examples by turns: first, second, first, second ...
    """
    return jnp.stack([first, second], 1).reshape(-1, *first.shape[1:])


def apart(both: Float[Array, "b2 *n"]) -> tuple[Float[Array, "b *n"], Float[Array, "b *n"]]:
    """Undo `by_turns`.

    Args:
        both: an even number of examples.

    Returns:
        Every other example, and the rest.
    """
    pairs = both.reshape(-1, 2, *both.shape[1:])
    return pairs[:, 0], pairs[:, 1]
