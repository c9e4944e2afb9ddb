"""The guided filter as a layer: colors as a local affine function of the NIR image.

float32, channels last. A network gives colors at a working size; the layer fits, in every square
box of pixels, color = a * nir + b by least squares. The coefficients a and b are smooth, so they
can be enlarged to any size and applied to the NIR image there: the structure of the result is that
of the NIR image, whatever the network has blurred. Gradients are finite for all finite inputs.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Float32

from haqagen_jax.ops.checks import Like

# Below this, the rounding error of a flat box's variance in float32 would count as structure.
LEAST_EPS = 1e-6
# A box whose weights add up to less holds no pixel: what is left is rounding of cumulative sums.
_LEAST_SHARE = 1e-6


class AffineCoefficients(NamedTuple):
    """A local affine model, color = a * nir + b, one a and one b for each pixel and channel."""

    a: Float32[Array, "b h w c"]
    b: Float32[Array, "b h w c"]

    def apply(self, nir: Float[Array, "b h w 1"]) -> Float32[Array, "b h w c"]:
        """Return a * nir + b.

        Args:
            nir: The guide, b h w 1, at the size of the coefficients.

        Returns:
            Colors, shape (b, h, w, c); not clipped.
        """
        return self.a * nir + self.b


def box_mean(image: Float[Array, "b h w c"], radius: int) -> Float32[Array, "b h w c"]:
    """Average an image over square boxes that are cut off at the border.

    The time does not depend on the radius.

    Args:
        image: Shape (b, h, w, c), any range.
        radius: Boxes have (2 radius + 1)^2 pixels; at least 0, and it may exceed the image.

    Returns:
        The mean over those pixels of the box around each pixel that lie in the image, shape
        (b, h, w, c).

    Raises:
        ValueError: `radius` is negative.

    Examples:
        >>> image = jnp.zeros((1, 3, 3, 1)).at[0, 1, 1].set(9)
        >>> box_mean(image, 1)[0, :, :, 0].tolist()
        [[2.25, 1.5, 2.25], [1.5, 1.0, 1.5], [2.25, 1.5, 2.25]]
    """
    if radius < 0:
        raise ValueError(f"radius is {radius}; must be 0 or more")
    forms = {
        "cpu": functools.partial(_sliding_mean, radius),
        "default": functools.partial(_difference_mean, radius),
    }
    return lax.platform_dependent(image.astype(jnp.float32), **forms)


def _sliding_mean(radius: int, x: Array) -> Array:
    """Slide sums over the rows, then over the columns: one addition and subtraction a pixel."""
    for _ in range(2):
        size = x.shape[1]
        reach = min(radius, size - 1)
        rows = jnp.pad(x.swapaxes(0, 1), [(reach + 1, reach), *[(0, 0)] * 3])

        def slide(total: Array, row: Array, rows: Array = rows, span: int = 2 * reach + 1):
            enters = lax.dynamic_index_in_dim(rows, row + span, keepdims=False)
            total = total + enters - lax.dynamic_index_in_dim(rows, row, keepdims=False)
            return total, total

        sums = lax.scan(slide, rows[: 2 * reach + 1].sum(0), jnp.arange(size))[1]
        x = (sums / _counts(size, reach)[:, None, None, None]).transpose(1, 2, 0, 3)
    return x


def _difference_mean(radius: int, x: Array) -> Array:
    """Subtract cumulative sums, which are computed in parallel."""
    for axis in (1, 2):
        size = x.shape[axis]
        sums = jnp.cumsum(x, axis=axis)
        sums = jnp.pad(sums, [(1, 0) if n == axis else (0, 0) for n in range(4)])
        center = jnp.arange(size)
        stop, start = jnp.minimum(center + radius + 1, size), jnp.maximum(center - radius, 0)
        count = _counts(size, radius).reshape([size if n == axis else 1 for n in range(4)])
        x = (jnp.take(sums, stop, axis=axis) - jnp.take(sums, start, axis=axis)) / count
    return x


def _counts(size: int, radius: int) -> Array:
    """Count the pixels of a line that lie within the radius of each."""
    center = jnp.arange(size)
    return jnp.minimum(center + radius + 1, size) - jnp.maximum(center - radius, 0)


def guided_coefficients(
    nir: Like,
    color: Like,
    *,
    radius: int,
    eps: float,
    tolerance: float | None = None,
    weight: Like | None = None,
) -> AffineCoefficients:
    """Fit a local affine model of colors on a NIR image.

    In each box, a = cov(nir, color) / (var(nir) + eps) and b = mean(color) - a mean(nir); a pixel's
    coefficients are the means of those of the boxes that it lies in. With a tolerance, boxes that
    no affine model fits, as at the edge of the sky, have less weight: so they leave no halo.

    Args:
        nir: The guide, shape (b, h, w, 1), usually in [0, 1].
        color: The colors to fit, shape (b, h, w, c), usually in [0, 1].
        radius: Radius of the boxes in pixels, at least 1: (2 radius + 1)^2 pixels each.
        eps: Regularization added to the variance of the guide, at least `LEAST_EPS`: boxes whose
            variance is far less get their mean color, those whose variance is far more keep the
            guide's structure.
        tolerance: Mean squared residual of a box's fit at which the box has half the weight of one
            that is fitted exactly; positive. None: all boxes have the same weight.
        weight: Weight of each pixel, shape (b, h, w, 1), in [0, 1]: pixels of weight 0 take no part
            in any sum, whatever they hold. None: 1 everywhere.

    Returns:
        Coefficients, shape (b, h, w, c) each; a = 0 and the mean color where no box around a pixel
        has any weight.

    Raises:
        ValueError: `radius`, `eps` or `tolerance` is out of range, or the sizes differ.

    Reference: He, Sun and Tang, "Guided Image Filtering" (TPAMI 2013), Eq. 5, 6 and 8; as a
        trainable layer: Wu et al., "Fast End-to-End Trainable Guided Filter" (CVPR 2018); weights
        by the residual: Chen and Wu, "Weighted Aggregation for Guided Image Filtering" (2020).

    Examples:
        >>> nir = jnp.linspace(0, 1, 64).reshape(1, 8, 8, 1)
        >>> color = jnp.concatenate([nir, 1 - nir, 0 * nir], -1)
        >>> model = guided_coefficients(nir, color, radius=2, eps=1e-4)
        >>> [round(float(a), 1) for a in model.a[0, 4, 4]]
        [1.0, -1.0, 0.0]
    """
    if radius < 1:
        raise ValueError(f"radius is {radius}; must be at least 1")
    if not eps >= LEAST_EPS:
        raise ValueError(f"eps is {eps}; must be at least {LEAST_EPS:g}")
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance is {tolerance}; must be positive, or None")
    if nir.shape[:3] != color.shape[:3] or nir.shape[3] != 1:
        raise ValueError(
            f"nir has shape {nir.shape} and color {color.shape}; must be (b, h, w, 1) and "
            "(b, h, w, c) of the same b, h and w"
        )
    nir, color = jnp.asarray(nir, jnp.float32), jnp.asarray(color, jnp.float32)
    weights = None if weight is None else jnp.asarray(weight, jnp.float32)
    # Moments are taken about the image's mean, so that little cancels in float32.
    center, tone = _image_mean(nir, weights), _image_mean(color, weights)
    x, y = nir - center, color - tone
    channels = color.shape[-1]
    power = jnp.square(y).mean(-1, keepdims=True)
    share = None if weights is None else box_mean(weights, radius)
    moments = jnp.concatenate([x, x * x, power, y, x * y], axis=-1)
    if weights is None or share is None:
        moments = box_mean(moments, radius)
    else:
        moments = box_mean(moments * weights, radius) / jnp.maximum(share, _LEAST_SHARE)
    mean_x, mean_xx, mean_power = moments[..., :1], moments[..., 1:2], moments[..., 2:3]
    mean_y, mean_xy = moments[..., 3 : 3 + channels], moments[..., 3 + channels :]
    variance = jnp.maximum(mean_xx - mean_x * mean_x, 0)
    covariance = mean_xy - mean_x * mean_y
    a = covariance / (variance + eps)
    b = mean_y - a * mean_x
    trust = None if share is None else (share > _LEAST_SHARE).astype(jnp.float32)
    if tolerance is not None:
        # Of all channels together, as the mean of their squares is.
        explained = (mean_y * mean_y + 2 * a * covariance - a * a * variance).mean(
            -1, keepdims=True
        )
        residual = jnp.maximum(mean_power - explained, 0)
        fit = tolerance / (residual + tolerance)
        trust = fit if trust is None else fit * trust
    if trust is None:
        smooth = box_mean(jnp.concatenate([a, b], axis=-1), radius)
    else:
        sums = box_mean(jnp.concatenate([trust * a, trust * b, trust], axis=-1), radius)
        smooth = sums[..., :-1] / jnp.maximum(sums[..., -1:], _LEAST_SHARE)
    a, b = smooth[..., :channels], smooth[..., channels:]
    return AffineCoefficients(a, b + tone - a * center)


def _image_mean(image: Array, weights: Array | None) -> Array:
    if weights is None:
        return image.mean(axis=(1, 2), keepdims=True)
    total = weights.sum(axis=(1, 2), keepdims=True)
    return (image * weights).sum(axis=(1, 2), keepdims=True) / jnp.maximum(total, 1)


def guided_filter(
    nir: Like,
    color: Like,
    *,
    radius: int,
    eps: float,
) -> Float32[Array, "..."]:
    """Replace the structure of colors by that of a NIR image of the same size.

    Args:
        nir: The guide, shape (b, h, w, 1), usually in [0, 1].
        color: The colors to filter, shape (b, h, w, c), usually in [0, 1].
        radius: Radius of the boxes in pixels, at least 1; see `guided_coefficients`.
        eps: Regularization, at least `LEAST_EPS`; see `guided_coefficients`.

    Returns:
        Filtered colors, shape (b, h, w, c); they may leave the range of `color` a little.

    Raises:
        ValueError: `radius` or `eps` is out of range, or the sizes differ.

    Reference: He, Sun and Tang, "Guided Image Filtering" (TPAMI 2013).

    Examples:
        >>> nir = jnp.linspace(0, 1, 64).reshape(1, 8, 8, 1)
        >>> guided_filter(nir, jnp.ones((1, 8, 8, 3)), radius=2, eps=1e-2).shape
        (1, 8, 8, 3)
    """
    return guided_coefficients(nir, color, radius=radius, eps=eps).apply(jnp.asarray(nir))
