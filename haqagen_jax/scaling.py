"""Pictures at another size, in numpy: what training does to large ones, and inference after it."""

import numpy as np
from jaxtyping import Float
from PIL import Image


def clamp_size(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """Compute the size of an image whose long side may not exceed a limit.

    Args:
        size: (h, w), each at least 1.
        limit: longest side allowed, in pixels.

    Returns:
        (h, w) with the aspect kept to the pixel, each at least 1; `size` itself if it fits.

    Reference: Sec. 4.1, "long-side clamp".
    """
    long = max(size)
    if long <= limit:
        return size
    h, w = (max(1, round(side * limit / long)) for side in size)
    return h, w


def resize(
    image: Float[np.ndarray, "h w c"], size: tuple[int, int]
) -> Float[np.ndarray, "h2 w2 c"]:
    """Resize with an antialiasing cubic filter, every channel alike.

    Args:
        image: float32 in [0, 1].
        size: (h, w) of the result.

    Returns:
        float32 in [0, 1]; the filter's overshoots are clipped.
    """
    if image.shape[:2] == size:
        return image
    h, w = size
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
            (w, h), Image.Resampling.BICUBIC
        )
        for c in range(image.shape[2])
    ]
    return np.clip(np.stack([np.asarray(plane) for plane in planes], axis=-1), 0.0, 1.0)
