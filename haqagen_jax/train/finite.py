"""Looking for numbers that are not finite in trees of arrays, before they are saved or used."""

from typing import Any

import jax
import jax.numpy as jnp


def not_finite(tree: Any) -> str | None:
    """Looks for numbers that are not finite.

    Args:
        tree: of arrays, on any devices.

    Returns:
        The path of the first array that has some; None if all are finite.
    """
    leaves = [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    ]
    sound = jax.device_get(_all_finite([leaf for _, leaf in leaves]))
    return next((name for (name, _), good in zip(leaves, sound, strict=True) if not good), None)


@jax.jit
def _all_finite(arrays: list[jax.Array]) -> list[jax.Array]:
    return [jnp.isfinite(x).all() for x in arrays]
