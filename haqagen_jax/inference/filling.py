"""Fill the pixels without data, so that a network sees an image without holes."""

import numpy as np
from jaxtyping import Float32


def filled(nir: Float32[np.ndarray, "h w 1"]) -> Float32[np.ndarray, "h w c"]:
    """Fill a prepared image, or a tile of one, with the values of the nearest pixels with data.

    Args:
        nir: (h, w, 1), NaN where it holds no data.

    Returns:
        `nir` itself if it has no such pixel; else (h, w, 2): the filled image, and 1 where it holds
        data or 0. An image without any data becomes 0.
    """
    known = ~np.isnan(nir)
    if known.all():
        return nir
    if not known.any():
        return np.zeros((*nir.shape[:2], 2), np.float32)
    from scipy.ndimage import distance_transform_edt  # slow to import, and seldom needed

    missing = ~known[..., 0]
    nearest = np.empty((2, *missing.shape), np.int32)
    distance_transform_edt(missing, return_distances=False, return_indices=True, indices=nearest)
    image = nir[..., 0][nearest[0], nearest[1]]
    return np.stack([image, known[..., 0].astype(np.float32)], axis=-1)
