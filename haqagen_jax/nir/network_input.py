"""A NIR image as its network wants it: ours, or in ColorMamba's own way for its published weights.

See `haqagen_jax.nir.preparation` for what is the same for both.
"""

import numpy as np
from jaxtyping import Float, Real

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.nir.preparation import Blocks, Preparation, fit

_GUARD = 1e-3 / 255  # of the full scale: what the published code adds to a divisor


def channels(data: DataConfig) -> int:
    """Returns how many channels the prepared image has."""
    return 2 if data.preparation == "colormamba" else 1


def fit_input(blocks: Blocks, dtype: np.dtype, data: DataConfig) -> Preparation:
    """Looks at all pixels of an image.

    Args:
        blocks: see `haqagen_jax.nir.preparation.fit`.
        dtype: uint8, uint16 or float.
        data: says whose way it is.

    Returns:
        The image's preparation.

    Raises:
        InputError: see `haqagen_jax.nir.preparation.fit`.

    Reference: HAQAGen Sec. 4.1; ColorMamba's published code.
    """
    found = fit(blocks, dtype, equalize=data.equalize, percentiles=data.nir_percentiles)
    return _colormamba(blocks, dtype) if data.preparation == "colormamba" else found


def prepare(image: Real[np.ndarray, "h w"], data: DataConfig) -> Float[np.ndarray, "h w c"]:
    """Brings one NIR image to what a network takes; see `fit_input`."""
    found = fit_input(lambda: (image,), image.dtype, data)
    return found.planes(found.apply(image)[..., None])


def _colormamba(blocks: Blocks, dtype: np.dtype) -> Preparation:
    """Min-max of the image; and the value of the image taken for gray, over its maximum."""
    extremes = [
        float(limit) for part in blocks() if part.size for limit in (part.min(), part.max())
    ]
    low, high = min(extremes), max(extremes)
    # Floats have no scale of their own: beyond 1, the brightest counts as white.
    full = float(np.iinfo(dtype).max) if dtype.kind != "f" else max(1.0, high)
    guard = _GUARD * full
    darkest = max(low, 0.0)
    return Preparation(low, high + guard, None, black=darkest / (darkest + high - low + guard))
