"""Axis glossary and array aliases; every annotation of the package uses these letters.

    b  batch          l  sequence (flattened pixels)
    h  height         d  inner channels of a state-space block
    w  width          n  state
    c  channels       k  scan directions

Arrays are channels last. Images are float32 in [0, 1] unless a docstring says otherwise.
"""

from typing import NamedTuple

import numpy as np
from jax import Array
from jaxtyping import Float

Rgb = Float[Array, "b h w 3"]
Hsv = Float[Array, "b h w 3"]
PerImage = Float[Array, " b"]


class Batch(NamedTuple):
    """A batch of registered pairs in [0, 1]: NumPy arrays on the host, JAX arrays on devices."""

    nir: Float[Array | np.ndarray, "b h w c"]  # prepared NIR; a second channel is the HSV value
    rgb: Float[Array | np.ndarray, "b h w 3"]
