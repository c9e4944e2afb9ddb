"""Find numbers that are not finite in trees of arrays, before they are saved or used."""

from typing import Any

import jax
import jax.numpy as jnp


def not_finite(tree: Any) -> str | None:
    """Find the first array of a tree that holds NaN or infinity.

    Args:
        tree: Arrays on any devices; integers are skipped.

    Returns:
        Its path, joined by "/"; None if all numbers are finite.
    """
    leaves = [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    ]
    finite = jax.device_get(_all_finite([leaf for _, leaf in leaves]))
    return next((name for (name, _), ok in zip(leaves, finite, strict=True) if not ok), None)


@jax.jit
def _all_finite(arrays: list[jax.Array]) -> list[jax.Array]:
    return [jnp.isfinite(x).all() for x in arrays]
