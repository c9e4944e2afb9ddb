"""Which types of pixels are spoken: of the NIR image, and of the colours that come back."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Real

from haqagen_jax.errors import InputError


def known_depth(nir: np.ndarray) -> Real[np.ndarray, "..."]:
    """Brings an array to a type whose depth is known: uint8, uint16 or float.

    Args:
        nir: any integer or float type; floats stay as they are, but bfloat16 and the like, which
            numpy does not know, become float32. Integers other than uint8 and
            uint16 have no depth of their own: they are taken as uint8 if all values are in
            [0, 255], else as uint16.

    Returns:
        The same values and shape.

    Raises:
        InputError: booleans, complex numbers and the like; integers outside [0, 65535].
    """
    if nir.dtype in (np.uint8, np.uint16) or nir.dtype.kind == "f":
        return nir
    if jnp.issubdtype(nir.dtype, jnp.floating):
        return nir.astype(np.float32)
    if nir.dtype.kind not in "iu":
        raise InputError(f"pixels are {nir.dtype}; give integers or floats")
    if nir.size and (nir.min() < 0 or nir.max() > 65_535):
        raise InputError(
            f"pixels are {nir.dtype} from {nir.min()} to {nir.max()}; bring them into 0 to 65535, "
            "or convert to float"
        )
    return nir.astype(np.uint8 if not nir.size or nir.max() <= 255 else np.uint16)


def output_dtype(dtype: np.dtype) -> np.dtype:
    """Returns the pixel type of the colours for a NIR type of `known_depth`."""
    return np.dtype(np.float32) if dtype.kind == "f" else dtype
