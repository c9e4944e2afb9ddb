"""How visible the borders between tiles are in an image that was put together from them."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from haqagen_jax.ops.checks import Images
from haqagen_jax.ops.precision import at_least_float32


def seam_energy(
    image: Images,
    rows: Int[np.ndarray, " n"],
    columns: Int[np.ndarray, " m"],
    *,
    near: int,
    reach: int = 1,
) -> Float[Array, " b"]:
    """Return how differences across the borders between tiles compare with those inside of tiles.

    A feathered step shows over the width of the overlap more than from pixel to pixel. Pictures
    have edges of their own where borders lie: compare with the energy of the true image under the
    same borders.

    Args:
        image: put together from tiles, or ones to compare with; any range.
        rows: borders between rows of tiles: the index of the first row after each, pixels.
        columns: the same of columns.
        near: differences so near a border, or nearer, in pixels beside the reach, are not inside.
        reach: distance of the two pixels whose difference is taken, at least 1, in pixels.

    Returns:
        Variance of the differences across borders, over that of the differences inside, (b,); about
        1 where nothing shows.

    Raises:
        ValueError: a reach below 1, no borders, or nothing inside.

    Reference: HAQAGen Sec. 3.3(ii), "seam-energy diagnostic (gradient variance across patch
        borders)"; the reach is ours.
    """
    if reach < 1:
        raise ValueError(f"reach = {reach}: must be at least 1 pixel")
    image = at_least_float32(image)
    across, inside = [], []
    for axis, borders in ((1, rows), (2, columns)):
        lines = jnp.moveaxis(image, axis, 1)
        steps = lines[:, reach:] - lines[:, :-reach]
        middle = np.arange(steps.shape[1]) + (reach + 1) // 2
        distance = np.abs(middle[:, None] - borders).min(1, initial=max(lines.shape[1], 1))
        across.append(_pick(steps, distance <= 1))
        inside.append(_pick(steps, distance > near + reach))
    over, within = jnp.concatenate(across, 1), jnp.concatenate(inside, 1)
    if not over.shape[1] or not within.shape[1]:
        raise ValueError(
            f"images of {image.shape[1]}x{image.shape[2]} pixels with {len(rows)} and "
            f"{len(columns)} borders: no border with an inside on both sides"
        )
    return over.var(1) / within.var(1)


def _pick(steps: Float[Array, "b _ _ c"], lines: np.ndarray) -> Float[Array, "b k"]:
    return steps[:, np.flatnonzero(lines)].reshape(len(steps), -1)
