"""Turn pixels upright, as the orientation tag of EXIF and TIFF says."""

import numpy as np
from jaxtyping import Shaped


def upright(image: Shaped[np.ndarray, "h w c"], orientation: int) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Apply the orientation tag.

    Args:
        image: As stored, plain or masked.
        orientation: 1 to 8; others count as 1.

    Returns:
        The upright image, contiguous; 5 to 8 exchange height and width.
    """
    if orientation in (2, 3, 7, 8):
        image = image[:, ::-1]
    if orientation in (3, 4, 6, 7):
        image = image[::-1]
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    contiguous = np.ascontiguousarray(np.ma.getdata(image))
    if not isinstance(image, np.ma.MaskedArray):
        return contiguous
    return np.ma.masked_array(contiguous, np.ascontiguousarray(np.ma.getmaskarray(image)))
