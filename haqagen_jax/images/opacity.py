"""Pixels that a file stores multiplied by their opacity (associated alpha), as they were before."""

import numpy as np
from jaxtyping import Real


def unassociated(
    pixels: Real[np.ndarray, "*shape"], opacity: Real[np.ndarray, "*shape"]
) -> Real[np.ndarray, "*shape"]:
    """Divide pixels by their opacity.

    Args:
        pixels: As stored, plain or masked.
        opacity: Of each, of the same type: the type's maximum (float: 1) for opaque pixels.

    Returns:
        The same type; integers are rounded, and at most the type's maximum. Pixels that are opaque
        or transparent stay as they are.
    """
    data, integers = np.ma.getdata(pixels), pixels.dtype.kind in "iu"
    full = np.iinfo(pixels.dtype).max if integers else 1
    soft = (opacity > 0) & (opacity < full)
    if not soft.any():
        return pixels
    changed = data.copy()
    whole = data[soft].astype(np.float64) / opacity[soft].astype(np.float64) * full
    changed[soft] = np.rint(np.minimum(whole, full)) if integers else whole
    if isinstance(pixels, np.ma.MaskedArray):
        return np.ma.masked_array(changed, np.ma.getmaskarray(pixels))
    return changed
