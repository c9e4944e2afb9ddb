"""Visibility of the borders between tiles in an image that was put together from them."""

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
    """Return the ratio of the variances of differences across the borders of tiles and inside them.

    A blended step shows over the width of the overlap more than from pixel to pixel. Images have
    edges of their own where borders lie: compare with the energy of the true image under the same
    borders.

    Args:
        image: Images put together from tiles, or true ones to compare with; any range.
        rows: Borders between rows of tiles: the index of the first row after each, in pixels.
        columns: Borders between columns of tiles, likewise.
        near: Distance from a border, in pixels beyond the reach, up to which a difference does not
            count as inside.
        reach: Distance of the two pixels whose difference is taken, at least 1, in pixels.

    Returns:
        Variance of the differences across borders divided by that of the differences inside, (b,);
        about 1 where no border shows.

    Raises:
        ValueError: `reach` is below 1, there is no border, or no difference inside.

    Reference: HAQAGen Sec. 3.3(ii), "seam-energy diagnostic (gradient variance across patch
        borders)"; the reach is ours.

    Examples:
        >>> image = jnp.sin(jnp.arange(256.0)).reshape(1, 16, 16, 1)
        >>> tint = jnp.arange(16.0).reshape(1, 16, 1, 1)
        >>> tiled = image.at[:, :, 8:].add(tint)
        >>> rows, columns = np.array([], int), np.array([8])
        >>> bool(seam_energy(tiled, rows, columns, near=2)[0] > 2)
        True
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
