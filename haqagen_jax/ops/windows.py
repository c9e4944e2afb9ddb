"""Windows for blending tiles: float32, one value per sample, no gradient concerns."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float


def hann(size: int) -> Float[Array, " {size}"]:
    """Return a Hann window that is positive everywhere.

    The textbook window is zero at its ends, which would leave the outermost pixels of an image,
    covered by one tile only, at 0 / 0. Sampling sin^2 half a sample off its zeros keeps every
    weight positive, keeps the window symmetric, and keeps the property blending lives on: windows
    shifted by half an even size add up to exactly one.

    Args:
        size: number of samples, at least 1.

    Returns:
        sin^2(pi (n + 1/2) / size) for n = 0 .. size - 1, shape (size,), in (0, 1].

    Raises:
        ValueError: `size` is less than 1.

    Reference: HAQAGen Sec. 3.3 and 4.1; the half sample is ours.
    """
    if size < 1:
        raise ValueError(f"size is {size}; a window has at least 1 sample")
    return jnp.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2, jnp.float32)


def hann_2d(size: int) -> Float[Array, "{size} {size}"]:
    """Return the outer product of `hann` with itself.

    Args:
        size: side in pixels, at least 1.

    Returns:
        Weights (size, size) in (0, 1].

    Raises:
        ValueError: `size` is less than 1.

    Reference: HAQAGen Algorithm 1, line 4.
    """
    window = hann(size)
    return window[:, None] * window[None, :]
