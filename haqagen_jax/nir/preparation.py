"""Prepare a NIR image for the network: histogram equalization, then min-max, on the whole image.

Input: uint8, uint16 or float of any range. Output: float32 in [0, 1]. What an image becomes depends
on all of its pixels, so there are two steps: `fit` looks at them, block by block where they do not
fit into memory, and `Preparation.apply` maps any part. numpy only, so that training and inference
share it. Not handled here: color images, batches. `haqagen_jax.ops.histogram.equalize` is the same
equalization inside `jit`.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Integer, Real

from haqagen_jax.errors import InputError
from haqagen_jax.nir.constant import ConstantError, FlatError
from haqagen_jax.nir.equalization import count_levels, equalizing
from haqagen_jax.nir.outliers import outlier_percentiles, outlier_shares
from haqagen_jax.nir.quantiles import counted_percentiles, percentiles_of

FLOAT_LEVELS = 65_536  # a float image is equalized as if it had 16 bits
WHOLE = (0.0, 100.0)  # percentiles of plain min-max
ROBUST = (0.1, 99.9)  # percentiles that a few stuck pixels do not move

Blocks = Callable[
    [], Iterable[Real[np.ndarray, "..."]]
]  # iterates over an image's pixels anew at each call


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Map from the pixels of one image to [0, 1].

    Attributes:
        low, high: Pixels that become 0 and 1, before the table.
        table: float32 value of each level of an integer image, or of each of 65,536 levels between
            `low` and `high` of a float image; None for a straight line from `low` to `high`.
        black: HSV value of what becomes 0, in [0, 1), for networks that take the value of the
            image, too; None for other networks.
        tails: The share of the range from the darkest to the brightest pixel that the darkest and
            the brightest 0.01 % of the pixels take, in [0, 1] each; 0 if the image was equalized,
            where a range has no meaning.
        percentiles: Of the pixels, those that become 0 and 1.
    """

    low: float
    high: float
    table: Float[np.ndarray, " levels"] | None
    black: float | None = None
    tails: tuple[float, float] = (0.0, 0.0)
    percentiles: tuple[float, float] = WHOLE

    def apply(self, pixels: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Map pixels of the image to [0, 1].

        Args:
            pixels: Any part of the image that was fitted, in its own type; masked where it holds no
                data.

        Returns:
            float32 in [0, 1] of the same shape; NaN for what is masked.
        """
        if isinstance(pixels, np.ma.MaskedArray):
            missing = np.ma.getmaskarray(pixels)
            safe = np.where(missing, pixels.dtype.type(self.low), pixels.data)
            return np.where(missing, np.float32(np.nan), self.apply(safe))
        if self.table is None:
            return _line(pixels, self.low, self.high)
        if pixels.dtype.kind == "f":
            pixels = _levels(pixels, self.low, self.high)
        # Every level is in the table, so "clip" clips nothing; the default would check each index.
        return np.take(self.table, pixels, mode="clip")

    @property
    def applied(self) -> "Preparation":
        """Preparation of pixels that have been through this one: nothing is left to map."""
        return Preparation(0.0, 1.0, None, self.black, self.tails, self.percentiles)

    def planes(self, nir: Float[np.ndarray, "h w 1"]) -> Float[np.ndarray, "h w c"]:
        """Add the HSV value of the image, for networks that take it.

        Args:
            nir: Prepared NIR in [0, 1], any part of the image at any scale.

        Returns:
            (h, w, 2) with NIR and HSV value; `nir` itself where `black` is None.
        """
        if self.black is None:
            return nir
        black = np.float32(self.black)
        return np.concatenate([nir, black + (1 - black) * nir], axis=-1)


def fit(
    blocks: Blocks,
    dtype: np.dtype,
    *,
    equalize: bool,
    percentiles: tuple[float, float] = WHOLE,
) -> Preparation:
    """Fit the preparation of an image to all of its pixels.

    Args:
        blocks: Iterates over the image's pixels in blocks of any shape; called up to five times.
        dtype: uint8, uint16 or float.
        equalize: Equalize the histogram at the image's own depth before min-max.
        percentiles: Percentiles that become 0 and 1, each in [0, 100]; (0, 100) is plain min-max.

    Returns:
        The image's preparation. A single pixel has no range, so it becomes its level over the
        type's maximum (float: clipped to [0, 1]).

    Raises:
        ConstantError: An image of one value only.
        InputError: No pixels, another type, NaN or infinity, or no contrast between the
            percentiles.

    Reference: Sec. 4.1, preprocessing; 65,536 levels for 16 bits are our reading.
    """
    _check_percentiles(*percentiles)
    if dtype.kind == "f":
        return _fit_floats(blocks, dtype, equalize=equalize, percentiles=percentiles)
    if dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"pixels are {dtype}; give uint8, uint16 or float (convert with its scale)"
        )
    top = int(np.iinfo(dtype).max)
    counts = count_levels(blocks(), top + 1)
    levels = np.arange(top + 1, dtype=np.float64)
    present = np.flatnonzero(counts)
    _check_contrast(int(counts.sum()), levels[present[[0, -1]]] if len(present) else levels[:0])
    if counts.sum() == 1:
        return Preparation(0.0, float(top), (levels / top).astype(np.float32))
    table = _table(levels, counts, equalize, percentiles)
    inner = counted_percentiles(levels, counts, outlier_percentiles(int(counts.sum())))
    shares = outlier_shares(levels[present[0]], levels[present[-1]], *inner)
    tails = (0.0, 0.0) if equalize else shares
    return Preparation(0.0, float(top), table, tails=tails, percentiles=percentiles)


def prepare_nir(
    image: Real[np.ndarray, "h w"],
    *,
    equalize: bool,
    percentiles: tuple[float, float] = WHOLE,
) -> Float[np.ndarray, "h w 1"]:
    """Fit the preparation of a NIR image and apply it.

    Args:
        image: (h, w); uint8, uint16 or float of any range.
        equalize: See `fit`.
        percentiles: See `fit`.

    Returns:
        float32 (h, w, 1) in [0, 1].

    Raises:
        InputError: See `fit`.

    Reference: see `fit`.
    """
    if image.size == 0:
        raise InputError(f"the image has shape {image.shape}: no pixels; give at least one")
    preparation = fit(lambda: (image,), image.dtype, equalize=equalize, percentiles=percentiles)
    return preparation.apply(image)[..., None]


def to_unit(
    image: Real[np.ndarray, "*shape"], low: float = 0.0, high: float = 100.0
) -> Float[np.ndarray, "*shape"]:
    """Map the range between two percentiles of an image to [0, 1], clipping what lies outside.

    Args:
        image: Any finite numbers, at least one.
        low: Percentile that becomes 0, in [0, 100].
        high: Percentile that becomes 1, above `low`, at most 100.

    Returns:
        float32 of the same shape. An image of one value becomes 0.

    Raises:
        InputError: The percentiles are out of order, or an image with contrast has none between.
    """
    _check_percentiles(low, high)
    bottom, top = float(image.min()), float(image.max())
    if bottom == top:
        return np.zeros(image.shape, np.float32)
    if (low, high) != WHOLE:
        image = image.astype(np.float64)
        found = percentiles_of(lambda: (image,), image.dtype, (low, high))
        bottom, top = _contrast(found, low, high)
    return _line(image, bottom, top)


def _fit_floats(
    blocks: Blocks, dtype: np.dtype, *, equalize: bool, percentiles: tuple[float, float]
) -> Preparation:
    count, invalid, extremes = 0, 0, []
    for block in blocks():
        finite = np.isfinite(block)
        count += block.size
        invalid += block.size - int(np.count_nonzero(finite))
        if block.size and not invalid:
            extremes += [float(block.min()), float(block.max())]
    if invalid:
        raise InputError(
            f"{invalid} of {count} pixels are NaN or infinite; replace them by valid values"
        )
    low, high = (min(extremes), max(extremes)) if extremes else (0.0, 0.0)
    _check_contrast(count, np.array([low, high] if extremes else [], np.float64))
    if count == 1:
        return Preparation(0.0, 1.0, None)
    if equalize:
        if percentiles != WHOLE:  # far outliers would leave all others a level or two
            limits = percentiles_of(blocks, dtype, percentiles, count)
            low, high = _contrast(limits, *percentiles)
        counts = count_levels((_levels(block, low, high) for block in blocks()), FLOAT_LEVELS)
        return Preparation(low, high, equalizing(counts), percentiles=percentiles)
    limits = percentiles_of(blocks, dtype, (*outlier_percentiles(count), *percentiles), count)
    tails = outlier_shares(low, high, limits[0], limits[1])
    if percentiles != WHOLE:
        low, high = _contrast(limits[2:], *percentiles)
    return Preparation(low, high, None, tails=tails, percentiles=percentiles)


def _table(
    levels: Float[np.ndarray, " n"],
    counts: Integer[np.ndarray, " n"],
    equalize: bool,
    percentiles: tuple[float, float],
) -> Float[np.ndarray, " n"]:
    """Return what each level becomes in an image with so many pixels of each."""
    if equalize:
        levels = equalizing(counts)
        if percentiles == WHOLE:  # equalization has spread the levels from 0 to 1 already
            return levels
    return _line(levels, *_contrast(counted_percentiles(levels, counts, percentiles), *percentiles))


def _line(
    pixels: Real[np.ndarray, "*shape"], bottom: float, top: float
) -> Float[np.ndarray, "*shape"]:
    # In float32 the difference of the extremes might overflow, and 16-bit levels must stay apart.
    pixels = pixels.astype(np.float64)
    if math.isinf(top - bottom):
        pixels, bottom, top = pixels * 0.5, bottom * 0.5, top * 0.5  # halving keeps the ratio
    # Clipped first, because what lies far outside of a narrow range would overflow in the division.
    return ((np.clip(pixels, bottom, top) - bottom) / (top - bottom)).astype(np.float32)


def _levels(
    pixels: Float[np.ndarray, "*shape"], low: float, high: float
) -> Integer[np.ndarray, "*shape"]:
    return np.rint(_line(pixels, low, high) * np.float32(FLOAT_LEVELS - 1)).astype(np.uint16)


def _check_percentiles(low: float, high: float) -> None:
    if not 0.0 <= low < high <= 100.0:
        raise InputError(f"percentiles {low} and {high} must satisfy 0 <= low < high <= 100")


def _check_contrast(count: int, extremes: Float[np.ndarray, " n"]) -> None:
    if not count:
        raise InputError("the image has no pixels with data; give at least one")
    if count > 1 and extremes[0] == extremes[-1]:
        raise ConstantError(count, float(extremes[0]))


def require_contrast(blocks: Blocks, *, constant: bool = False) -> None:
    """Refuse an image that holds nothing to color; its pixels are looked at once.

    Args:
        blocks: Iterates over the image's pixels.
        constant: Whether an image of one value is taken.

    Raises:
        ConstantError: An image of one value only.
        InputError: No pixels.
    """
    count, extremes = 0, []
    for block in blocks():
        count += block.size
        if block.size:
            extremes += [float(block.min()), float(block.max())]
    limits = np.array([min(extremes), max(extremes)] if extremes else [])
    _check_contrast(1 if constant and count else count, limits)


def _contrast(limits: tuple[float, ...], low: float, high: float) -> tuple[float, float]:
    bottom, top = limits
    if bottom == top:
        raise FlatError(f"percentiles {low} and {high} of the image are both {bottom}; widen them")
    return bottom, top
