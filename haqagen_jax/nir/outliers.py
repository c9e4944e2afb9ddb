"""How much of an image's range a few outliers take, such as stuck pixels."""

import math

_OUTER = 1e-4  # share of the pixels at either end


def outlier_percentiles(count: int) -> tuple[float, float]:
    """Compute the percentiles next to the outer 0.01 % of the pixels, at least one at each end.

    Args:
        count: Number of the pixels.

    Returns:
        The lower and the upper percentile.
    """
    outer = 100 * min(math.ceil(_OUTER * count) / max(count - 1, 1), 0.5)
    return outer, 100 - outer


def outlier_shares(
    low: float, high: float, inner_low: float, inner_high: float
) -> tuple[float, float]:
    """Compute the shares of the range that the outer pixels take.

    Args:
        low: The darkest pixel.
        high: The brightest one, above `low`.
        inner_low: The pixel at the lower of `outlier_percentiles`.
        inner_high: The pixel at the upper one.

    Returns:
        Two numbers in [0, 1].
    """
    span = high / 2 - low / 2  # halved, as the difference of the extremes of float64 overflows
    return (inner_low / 2 - low / 2) / span, (high / 2 - inner_high / 2) / span
