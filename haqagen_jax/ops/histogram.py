"""Soft histograms with a gradient, their CDF, and histogram equalization.

Images are `b h w c`; histograms are float32, one per image and channel, with `bins` centres spread
evenly over [0, 1], both ends included. Values outside [0, 1] are not clipped: they count as far as
the kernel reaches. The array of pixels times bins is never stored, forward or backward: pixels are
taken in chunks of `_BUDGET / bins`, so temporaries stay below a few copies of the image.
"""

import enum
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Integer

from haqagen_jax.ops.checks import AnyArray, Images
from haqagen_jax.ops.precision import at_least_float32

# Responses held at a time per channel; 1,024 pixels of 64 bins stay within a core's cache.
_BUDGET = 65_536
# Without it GPUs and TPUs round the factors of a product to fewer bits than float32.
_EXACT = jax.lax.Precision.HIGHEST


class Kernel(enum.StrEnum):
    """Shape of a pixel's contribution to the bins around it."""

    TRIANGULAR = "triangular"
    LOGISTIC = "logistic"

    @classmethod
    def _missing_(cls, value: object) -> None:
        known = " or ".join(repr(str(kernel)) for kernel in cls)
        raise ValueError(f"kernel is {value!r}; it must be {known}")


def _responses(
    values: Float[Array, "*n"], bins: int, kernel: Kernel, tau: float
) -> Float[Array, "*n m"]:
    """Evaluate the triangular kernel at each centre, or one sigmoid at each edge of a bin.

    The logistic kernel is the difference of neighbouring sigmoids. As the average over pixels is
    linear, the difference is taken of the averages, and each sigmoid is evaluated once.
    """
    spacing = 1.0 / (bins - 1)
    centres = spacing * np.arange(bins)
    edges = spacing * (np.arange(bins + 1) - 0.5)
    points = centres if kernel is Kernel.TRIANGULAR else edges
    points = points.astype(values.dtype).reshape((1,) * values.ndim + (-1,))
    distance = (points - values[..., None]) / tau
    if kernel is Kernel.TRIANGULAR:
        return jnp.maximum(1.0 - jnp.abs(distance), 0.0)
    return jax.nn.sigmoid(distance)


def _chunks(image: Float[Array, "b h w c"], size: int) -> Float[Array, "s b c n"]:
    """Cut the pixels into chunks of `size`, the last one padded with zeros."""
    b, h, w, c = image.shape
    count = -(-h * w // size)
    padding = count * size - h * w
    flat = jnp.pad(image.reshape(b, h * w, c), ((0, 0), (0, padding), (0, 0)))
    return flat.reshape(b, count, size, c).transpose(1, 0, 3, 2)


def _shares(chunk: Integer[Array, ""], size: int, pixels: int) -> Float[Array, " n"]:
    """Weigh the pixels of a chunk: 1 / pixels each, 0 for padding."""
    return jnp.where(chunk * size + jnp.arange(size) < pixels, 1.0 / pixels, 0.0)


def _mean_responses_primal(
    image: Float[Array, "b h w c"], bins: int, kernel: Kernel, tau: float
) -> Float[Array, "b c m"]:
    """Average the responses over the pixels, chunk by chunk."""
    b, h, w, c = image.shape
    size = _chunk_size(bins, h * w)
    count = bins if kernel is Kernel.TRIANGULAR else bins + 1

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        index, chunk = item
        responses = _responses(chunk, bins, kernel, tau)
        # A product, not a sum: XLA's CPU backend does not vectorise the sum.
        share = _shares(index, size, h * w)
        return total + jnp.einsum("bcnk,n->bck", responses, share, precision=_EXACT), None

    chunks = _chunks(image, size)
    total, _ = jax.lax.scan(
        add, jnp.zeros((b, c, count), image.dtype), (jnp.arange(len(chunks)), chunks)
    )
    return total


def _mean_responses_forward(
    image: Array, bins: int, kernel: Kernel, tau: float
) -> tuple[Array, Array]:
    return _mean_responses_primal(image, bins, kernel, tau), image


def _mean_responses_backward(
    bins: int, kernel: Kernel, tau: float, image: Array, cotangent: Array
) -> tuple[Array]:
    b, h, w, c = image.shape
    size = _chunk_size(bins, h * w)

    def pull(_: None, chunk: Array) -> tuple[None, Array]:
        function = partial(_responses, bins=bins, kernel=kernel, tau=tau)
        # Elementwise in the pixels, so the forward derivative is the whole Jacobian.
        _, slopes = jax.jvp(function, (chunk,), (jnp.ones_like(chunk),))
        return None, jnp.einsum("bcnk,bck->bcn", slopes, cotangent / (h * w), precision=_EXACT)

    _, gradient = jax.lax.scan(pull, None, _chunks(image, size))
    flat = gradient.transpose(1, 0, 3, 2).reshape(b, -1, c)
    return (flat[:, : h * w].reshape(image.shape),)


# The backward pass evaluates the kernel again; plain differentiation would keep every response.
_mean_responses = jax.custom_vjp(_mean_responses_primal, nondiff_argnums=(1, 2, 3))
_mean_responses.defvjp(_mean_responses_forward, _mean_responses_backward)


def _chunk_size(bins: int, pixels: int) -> int:
    return min(pixels, max(1, _BUDGET // bins))


def soft_histogram(
    image: Images, *, bins: int, kernel: str, tau: float
) -> Float[Array, "b c {bins}"]:
    """Return the share of the pixels around each of `bins` evenly spaced centres.

    Args:
        image: values in [0, 1].
        bins: number of centres, at least 2.
        kernel: "triangular", max(0, 1 - |d| / tau), or "logistic", the difference of two sigmoids
            of temperature tau at the bin's edges, half a spacing to either side of its centre.
        tau: width of the kernel in units of the image, positive. A triangular kernel narrower than
            half the spacing 1 / (bins - 1) does not see pixels that fall between two centres.

    Returns:
        Histogram (b, c, bins), divided by its sum over the bins; all zeros if no pixel is seen.

    Raises:
        ValueError: `bins`, `kernel` or `tau` is out of range.

    Reference: HAQAGen Sec. 3.2, "Differentiable histogram loss"; the normalisation is ours.
    """
    if bins < 2:
        raise ValueError(f"bins is {bins}; a histogram over [0, 1] needs at least 2")
    if not tau > 0:
        raise ValueError(f"tau is {tau}; it must be positive, such as 0.02 or 1 / (bins - 1)")
    mass = _mean_responses(at_least_float32(image), bins, Kernel(kernel), float(tau))
    if Kernel(kernel) is Kernel.LOGISTIC:
        mass = jnp.diff(mass)
    total = mass.sum(-1, keepdims=True)
    return mass / jnp.where(total == 0, 1.0, total)


def soft_cdf(image: Images, *, bins: int, kernel: str, tau: float) -> Float[Array, "b c {bins}"]:
    """Return the running sum of `soft_histogram`: from about 0 up to 1 at the last bin.

    Args:
        image: values in [0, 1].
        bins: number of centres, at least 2.
        kernel: "triangular" or "logistic".
        tau: width of the kernel in units of the image, positive.

    Returns:
        CDF (b, c, bins).

    Raises:
        ValueError: `bins`, `kernel` or `tau` is out of range.

    Reference: HAQAGen Sec. 3.2.
    """
    return jnp.cumsum(soft_histogram(image, bins=bins, kernel=kernel, tau=tau), -1)


def equalize(image: Integer[AnyArray, "b h w c"], *, levels: int) -> Float[Array, "b h w c"]:
    """Equalize the histogram of each image and channel over all of its pixels.

    Args:
        image: grey levels in 0 .. levels - 1.
        levels: number of levels, 256 for 8 bits and 65,536 for 16.

    Returns:
        (cdf(v) - cdf_min) / (pixels - cdf_min) in [0, 1]; zeros for a constant image.

    Reference: HAQAGen Sec. 4.1; Gonzalez and Woods, "Digital image processing", Sec. 3.3.
    """

    def one(plane: Integer[Array, " n"]) -> Float[Array, " n"]:
        index = plane.astype(jnp.int32)
        counts = jnp.zeros(levels, jnp.int32).at[index].add(1)
        below = jnp.cumsum(counts)[index] - counts[index.min()]
        above = plane.size - counts[index.min()]
        return below / jnp.maximum(above, 1)

    b, h, w, c = image.shape
    planes = jnp.asarray(image).transpose(0, 3, 1, 2).reshape(b * c, h * w)
    return jax.vmap(one)(planes).reshape(b, c, h, w).transpose(0, 2, 3, 1)
