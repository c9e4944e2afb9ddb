"""Prepare a NIR image for its network: in our way, or in ColorMamba's for its published weights.

See `haqagen_jax.nir.preparation` for what both ways share.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Real

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.nir.constant import FlatError
from haqagen_jax.nir.outliers import outlier_percentiles
from haqagen_jax.nir.preparation import ROBUST, WHOLE, Blocks, Preparation, fit
from haqagen_jax.nir.quantiles import count_pixels, percentiles_of_any

_INNER = 1.0  # percent at an end that takes the place of 0.1 where the pixels between lie far out
_FAR = 0.25  # of the range of the others: beyond what the tail of a normal distribution reaches
_FEW = 5.0  # percent of the pixels, the most that may count as outliers at one end
_GUARD = 1e-3 / 255  # share of the full scale that the published code adds to a divisor


def channels(data: DataConfig) -> int:
    """Return the number of channels of a prepared image.

    Args:
        data: Says which way the image is prepared.

    Returns:
        1, or 2 for networks that take the value of the image, too.
    """
    return 2 if data.preparation == "colormamba" else 1


def fit_input(
    blocks: Blocks, dtype: np.dtype, data: DataConfig, stretch: tuple[float, float] | None = None
) -> Preparation:
    """Fit the preparation of an image to all of its pixels.

    Args:
        blocks: See `haqagen_jax.nir.preparation.fit`.
        dtype: uint8, uint16 or float.
        data: Says which way the image is prepared.
        stretch: Percentiles that become 0 and 1; None: those of `data`.

    Returns:
        The image's preparation.

    Raises:
        InputError: See `haqagen_jax.nir.preparation.fit`.

    Reference: HAQAGen Sec. 4.1; ColorMamba's published code.
    """
    percentiles = data.nir_percentiles if stretch is None else stretch
    # Fitted for ColorMamba, too, because this is what checks the pixels.
    preparation = fit(blocks, dtype, equalize=data.equalize, percentiles=percentiles)
    if data.preparation != "colormamba":
        return preparation
    clipped = blocks
    if percentiles != WHOLE:
        low, high = percentiles_of_any(blocks, dtype, percentiles)
        clipped = lambda: (np.clip(block, low, high) for block in blocks())  # noqa: E731
    published = _colormamba(clipped, dtype)
    return dataclasses.replace(published, tails=preparation.tails, percentiles=percentiles)


def fit_for_coloring(
    blocks: Blocks, dtype: np.dtype, data: DataConfig, stretch: tuple[float, float] | None
) -> Preparation:
    """Fit the preparation of an image that is to be colored.

    Args:
        blocks: See `haqagen_jax.nir.preparation.fit`.
        dtype: uint8, uint16 or float.
        data: Says which way the image is prepared.
        stretch: Percentiles that become 0 and 1. None: those that the model was trained with if
            they are not min-max; else 0.1 and 99.9, so that a few stuck pixels do not darken the
            image. At an end where the outer percent reaches further than a quarter of the range
            of all the others, as a stuck column does, it is 1 or 99. Where the two are equal,
            min-max.

    Returns:
        The image's preparation.

    Raises:
        InputError: See `haqagen_jax.nir.preparation.fit`.
    """
    if not is_robust(data, stretch):
        return fit_input(blocks, dtype, data, stretch)
    try:
        return fit_input(blocks, dtype, data, _robust(blocks, dtype))
    except FlatError:
        return fit_input(blocks, dtype, data, WHOLE)


def _robust(blocks: Blocks, dtype: np.dtype) -> tuple[float, float]:
    """Choose percentiles that neither stuck pixels nor a stuck column move."""
    count, values_at = count_pixels(blocks, dtype)
    if not count:
        return ROBUST  # which `fit` refuses with the reason
    # Of less than a hundred pixels, one percent is less than one: it would still count by a part.
    one, _ = outlier_percentiles(count)
    inner = max(_INNER, one) if one < _FEW else _INNER
    percentiles = ROBUST[0], inner, 100 - inner, ROBUST[1]
    low, inner_low, inner_high, high = values_at(percentiles)
    far = _FAR * inner_high - _FAR * inner_low
    return (
        inner if inner_low - low > far else ROBUST[0],
        100 - inner if high - inner_high > far else ROBUST[1],
    )


def is_robust(data: DataConfig, stretch: tuple[float, float] | None) -> bool:
    """Tell whether outliers are clipped, unless the image has no contrast without them.

    Args:
        data: Of the model.
        stretch: See `fit_for_coloring`.

    Returns:
        True where neither the user nor the model's training says otherwise.
    """
    return stretch is None and data.preparation != "colormamba" and data.nir_percentiles == WHOLE


def prepare(image: Real[np.ndarray, "h w"], data: DataConfig) -> Float[np.ndarray, "h w c"]:
    """Prepare a NIR image for a network.

    Args:
        image: (h, w); uint8, uint16 or float of any range.
        data: Says which way the image is prepared.

    Returns:
        float32 (h, w, c) in [0, 1], with the number of `channels`.

    Raises:
        InputError: See `haqagen_jax.nir.preparation.fit`.

    Reference: See `fit_input`.
    """
    preparation = fit_input(lambda: (image,), image.dtype, data)
    return preparation.planes(preparation.apply(image)[..., None])


def _colormamba(blocks: Blocks, dtype: np.dtype) -> Preparation:
    """Fit min-max, and the HSV value of the image as a gray one over its maximum."""
    extremes = [
        float(limit) for block in blocks() if block.size for limit in (block.min(), block.max())
    ]
    low, high = min(extremes), max(extremes)
    # Floats have no scale of their own: where they exceed 1, the brightest pixel counts as white.
    full = float(np.iinfo(dtype).max) if dtype.kind != "f" else max(1.0, high)
    guard = _GUARD * full
    darkest = max(low, 0.0)
    return Preparation(low, high + guard, None, black=darkest / (darkest + high - low + guard))
