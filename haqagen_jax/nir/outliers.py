"""How much of an image's range a few outliers take, such as stuck pixels."""

import math

_OUTER = 1e-4  # share of the pixels at either end
MOST_OF_RANGE = 0.5  # more of the range is too much for outliers


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
    return float((inner_low / 2 - low / 2) / span), float((high / 2 - inner_high / 2) / span)


def outlier_line(
    tails: tuple[float, float], percentiles: tuple[float, float], *, robust: bool
) -> str | None:
    """Say what a few outliers do to an image's stretch.

    Args:
        tails: Of the image, see `haqagen_jax.nir.preparation.Preparation`.
        percentiles: Of the pixels, those that became 0 and 1.
        robust: Whether outliers are clipped wherever they can be.

    Returns:
        A line that does not name the image; None where no end takes more than half of the range.
    """
    share = max(tails)
    if share <= MOST_OF_RANGE:
        return None
    bright = tails[1] == share
    end, rest = ("brightest", "dark") if bright else ("darkest", "bright")
    outer = 100 - percentiles[1] if bright else percentiles[0]
    line = f"the {end} 0.01 % of its pixels take {100 * share:.3g} % of its range"
    if outer >= 100 * _OUTER:
        return f"{line}, and are clipped (--stretch minmax keeps them)"
    if robust:
        return f"{line}, and nearly all others have one value, so that the rest is {rest}"
    return f"{line}, so that the rest is {rest}; give --stretch 0.1,99.9"
