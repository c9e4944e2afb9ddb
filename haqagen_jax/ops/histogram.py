"""Soft histograms with a gradient, and their CDF.

Images are `b h w c`; histograms are float32, one per image and channel, with `bins` centers spread
evenly over [0, 1], both ends included. Values outside [0, 1] are not clipped: they count as far as
the kernel reaches. The array of pixels times bins is never stored, forward or backward: pixels are
taken in chunks, so temporaries stay below one copy of the image.
"""

import enum
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax.ops.checks import Images
from haqagen_jax.ops.precision import at_least_float32

_CHUNKS = 16  # chunks in a piece; the pixels of a piece are moved behind their channels at once
_MIN_CHUNK = 16  # pixels; sums of sums round less than one long sum
# At the default precision GPUs and TPUs round the factors of a product to fewer bits.
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
    values: Float[Array, "*b n"], bins: int, kernel: Kernel, tau: float
) -> Float[Array, "*b m n"]:
    """Evaluate the triangular kernel at each center, or one sigmoid at each edge of a bin.

    The logistic kernel is the difference of neighboring sigmoids. As the average over pixels is
    linear, the difference is taken of the averages, and each sigmoid is evaluated once.
    """
    spacing = 1.0 / (bins - 1)
    centers = spacing * np.arange(bins)
    edges = spacing * (np.arange(bins + 1) - 0.5)
    points = centers if kernel is Kernel.TRIANGULAR else edges
    points = points.astype(values.dtype).reshape((1,) * (values.ndim - 1) + (-1, 1))
    distance = (points - values[..., None, :]) / tau
    if kernel is Kernel.TRIANGULAR:
        return jnp.maximum(1.0 - jnp.abs(distance), 0.0)
    return jax.nn.sigmoid(distance)


def _pieces(pixels: int, bins: int) -> tuple[Array, int]:
    """Cut the pixels into pieces of equal size: the first pixel of each, and the size.

    The last piece begins early enough to be of that size, so it may repeat pixels of the one
    before. The responses to a chunk take as much memory as half the image, unless it is small.
    """
    size = _CHUNKS * max(_MIN_CHUNK, pixels // (2 * bins))
    if size > pixels:
        size = pixels - pixels % _CHUNKS or pixels
    starts = np.minimum(np.arange(0, pixels, size), pixels - size)
    return jnp.asarray(starts, jnp.int32), size


def _chunks(piece: Float[Array, "b p c"]) -> Float[Array, "s b c n"]:
    """Cut a piece into chunks, channels first."""
    b, size, c = piece.shape
    count = _CHUNKS if size % _CHUNKS == 0 else 1
    return piece.reshape(b, count, -1, c).transpose(1, 0, 3, 2)


def _mean_responses_primal(
    image: Float[Array, "b h w c"], bins: int, kernel: Kernel, tau: float
) -> Float[Array, "b c m"]:
    """Average the responses over the pixels, chunk by chunk."""
    b, h, w, c = image.shape
    flat = image.reshape(b, h * w, c)
    starts, size = _pieces(h * w, bins)
    count = bins if kernel is Kernel.TRIANGULAR else bins + 1
    zeros = jnp.zeros((b, c, count), image.dtype)

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        chunk, share = item
        responses = _responses(chunk, bins, kernel, tau)
        # A product with the shares, because XLA's CPU backend does not vectorize a plain sum.
        return total + jnp.einsum("bckn,n->bck", responses, share, precision=_EXACT), None

    def add_piece(carry: tuple[Array, Array], start: Array) -> tuple[tuple[Array, Array], None]:
        total, done = carry
        chunks = _chunks(jax.lax.dynamic_slice_in_dim(flat, start, size, axis=1))
        # Each pixel counts 1 / pixels; those that the piece before has counted are given 0.
        shares = jnp.where(start + jnp.arange(size) < done, 0.0, 1.0 / (h * w))
        part, _ = jax.lax.scan(add, zeros, (chunks, shares.reshape(len(chunks), -1)))
        return (total + part, start + size), None

    (total, _), _ = jax.lax.scan(add_piece, (zeros, jnp.int32(0)), starts)
    return total


def _mean_responses_forward(
    image: Array, bins: int, kernel: Kernel, tau: float
) -> tuple[Array, Array]:
    return _mean_responses_primal(image, bins, kernel, tau), image


def _mean_responses_backward(
    bins: int, kernel: Kernel, tau: float, image: Array, cotangent: Array
) -> tuple[Array]:
    b, h, w, c = image.shape
    flat = image.reshape(b, h * w, c)
    starts, size = _pieces(h * w, bins)

    def pull(_: None, chunk: Array) -> tuple[None, Array]:
        function = partial(_responses, bins=bins, kernel=kernel, tau=tau)
        # The responses are elementwise in the pixels, so one forward derivative is the Jacobian.
        _, slopes = jax.jvp(function, (chunk,), (jnp.ones_like(chunk),))
        return None, jnp.einsum("bckn,bck->bcn", slopes, cotangent / (h * w), precision=_EXACT)

    def pull_piece(gradient: Array, start: Array) -> tuple[Array, None]:
        piece = jax.lax.dynamic_slice_in_dim(flat, start, size, axis=1)
        _, part = jax.lax.scan(pull, None, _chunks(piece))
        part = part.transpose(1, 0, 3, 2).reshape(piece.shape)
        return jax.lax.dynamic_update_slice_in_dim(gradient, part, start, axis=1), None

    gradient, _ = jax.lax.scan(pull_piece, jnp.zeros_like(flat), starts)
    return (gradient.reshape(image.shape),)


# The backward pass evaluates the kernel again; plain differentiation would keep every response.
_mean_responses = jax.custom_vjp(_mean_responses_primal, nondiff_argnums=(1, 2, 3))
_mean_responses.defvjp(_mean_responses_forward, _mean_responses_backward)


def soft_histogram(
    image: Images, *, bins: int, kernel: str, tau: float
) -> Float[Array, "b c {bins}"]:
    """Return the share of the pixels around each of `bins` evenly spaced centers.

    Args:
        image: Values in [0, 1].
        bins: Number of centers, at least 2.
        kernel: "triangular", max(0, 1 - |d| / tau), or "logistic", the difference of two sigmoids
            of temperature tau at the bin's edges, half a spacing to either side of its center.
        tau: Width of the kernel in units of the image, positive. A triangular kernel narrower than
            half the spacing 1 / (bins - 1) does not see pixels that fall between two centers.

    Returns:
        Histogram (b, c, bins), divided by its sum over the bins; all zeros if no pixel is seen.

    Raises:
        ValueError: `bins`, `kernel` or `tau` is out of range.

    Reference: HAQAGen Sec. 3.2, "Differentiable histogram loss"; the normalization is ours.

    Examples:
        >>> image = jnp.array([0.0, 0.5, 0.5, 1.0]).reshape(1, 2, 2, 1)
        >>> soft_histogram(image, bins=3, kernel="triangular", tau=0.5).tolist()
        [[[0.25, 0.5, 0.25]]]
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
        image: Values in [0, 1].
        bins: Number of centers, at least 2.
        kernel: "triangular" or "logistic".
        tau: Width of the kernel in units of the image, positive.

    Returns:
        CDF (b, c, bins).

    Raises:
        ValueError: `bins`, `kernel` or `tau` is out of range.

    Reference: HAQAGen Sec. 3.2.

    Examples:
        >>> image = jnp.array([0.0, 0.5, 0.5, 1.0]).reshape(1, 2, 2, 1)
        >>> soft_cdf(image, bins=3, kernel="triangular", tau=0.5).tolist()
        [[[0.25, 0.75, 1.0]]]
    """
    return jnp.cumsum(soft_histogram(image, bins=bins, kernel=kernel, tau=tau), -1)
