"""Windows for blending tiles: float32, one value per sample; not differentiated."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

_SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hann": lambda x: np.sin(np.pi * x) ** 2,
    "cosine": lambda x: np.sin(np.pi * x),
    "triangle": lambda x: 1 - np.abs(2 * x - 1),
    "flat": np.ones_like,
}
WINDOWS = tuple(_SHAPES)


def window(name: str, size: int) -> Float[Array, " {size}"]:
    """Return a window that is positive everywhere.

    Textbook windows are zero at their ends, which would leave the outermost pixels of an image,
    covered by one tile only, at 0 / 0. Sampling half a sample off the zeros keeps every weight
    positive, keeps the window symmetric, and keeps the property blending lives on: Hann windows and
    triangles shifted by half an even size add up to exactly one.

    Args:
        name: One of `WINDOWS`: sin^2(pi x), sin(pi x), 1 - |2 x - 1| or 1.
        size: Number of samples, at least 1.

    Returns:
        Its values at x = (n + 1/2) / size for n = 0 .. size - 1, shape (size,), in (0, 1].

    Raises:
        ValueError: `name` is unknown, or `size` is less than 1.

    Reference: HAQAGen Sec. 3.3 and 4.1 (Hann); Harris, "On the use of windows for harmonic
        analysis" (1978); the half sample is ours.

    Examples:
        >>> window("triangle", 4).tolist()
        [0.25, 0.75, 0.75, 0.25]
    """
    if name not in _SHAPES:
        raise ValueError(f"window = {name!r}: must be one of {', '.join(WINDOWS)}")
    if size < 1:
        raise ValueError(f"size is {size}; a window has at least 1 sample")
    return jnp.asarray(_SHAPES[name]((np.arange(size) + 0.5) / size), jnp.float32)
