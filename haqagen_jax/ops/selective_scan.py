"""The selective scan of Mamba: a linear recurrence whose coefficients depend on the input.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t        y_t = C_t . h_t + D u_t

The sequence is cut into chunks that are scanned side by side, and `jax.lax.associative_scan` over
the chunks' effects gives the boundary states between them. With one chunk this is the plain
sequential recurrence, which is fastest on a few CPU cores; accelerators need many. Two forms share
this: XLA loops (`scan_xla`) and, on request only, Pallas kernels (`scan_pallas`), which have been
interpreted and lowered but never run on a GPU. Both checkpoint a few of the states and recompute
the others in their custom VJP.

Everything is float32 inside, whatever the inputs. Any length; padding steps have delta = 0, which
leaves the state as it is.

Reference: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023);
Blelloch, "Prefix Sums and Their Applications" (1990); HAQAGen Sec. 3.1.
"""

import functools
import logging
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops import scan_xla
from haqagen_jax.ops.precision import at_least_float32

METHODS = ("auto", "sequential", "chunked", "pallas")
CHUNKS = 128  # in the parallel forms
MIN_CHUNK = 32  # steps
_log = logging.getLogger(__name__)


def selective_scan(
    u: Float[Array, "b l k d"],
    delta: Float[Array, "b l k d"],
    A: Float[Array, "k d n"],
    B: Float[Array, "b l k n"],
    C: Float[Array, "b l k n"],
    D: Float[Array, "k d"],
    *,
    method: str = "auto",
    segments: int | None = None,
) -> Float[Array, "b l k d"]:
    """Run the recurrence along `l`, independently for every batch entry, direction and channel.

    Args:
        u: Input, b l k d.
        delta: Step sizes, b l k d, not negative (softplus applied).
        A: Continuous-time decay, k d n, negative.
        B: Input coefficients, b l k n.
        C: Output coefficients, b l k n.
        D: Feed-through, k d.
        method: "sequential" is one chunk; "chunked" is many; "auto" is, by the platform that the
            code is lowered for, sequential on a CPU and chunked elsewhere; "pallas" runs the
            kernels, which are untried on hardware: interpreted, slowly, unless on an NVIDIA GPU.
        segments: Number of chunks for "chunked" and "pallas"; None for 128, or fewer where the
            sequence is short.

    Returns:
        y, b l k d, float32.

    Raises:
        ValueError: `method` is unknown, or `segments` is below 1.

    Reference: Mamba, Eq. (2) and Algorithm 2; HAQAGen Sec. 3.1.

    Examples:
        >>> # The decay halves the state at every step; the input is an impulse.
        >>> delta = jnp.ones((1, 4, 1, 1))
        >>> u = delta.at[:, 1:].set(0)
        >>> A = jnp.full((1, 1, 1), -jnp.log(2.0))
        >>> y = selective_scan(u, delta, A, B=delta, C=delta, D=jnp.zeros((1, 1)))
        >>> [round(float(value), 3) for value in y.ravel()]
        [1.0, 0.5, 0.25, 0.125]
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
    if segments is not None and segments < 1:
        raise ValueError(f"segments = {segments}: must be 1 or more")
    inputs = [at_least_float32(x) for x in (u, delta, A, B, C, D)]
    u, delta, A, B, C, D = (x.astype(jnp.result_type(*inputs)) for x in inputs)
    args = (u, delta, jnp.swapaxes(A, 1, 2), B, C)
    chunks = segments or CHUNKS
    forms = {
        "sequential": functools.partial(_scan_xla, 1),
        "chunked": functools.partial(_scan_xla, chunks),
        "pallas": functools.partial(_scan_pallas, chunks),
    }
    if method == "auto" and segments is None:
        _log_once("selective scan: sequential on a CPU, chunked elsewhere")
        y = lax.platform_dependent(*args, cpu=forms["sequential"], default=forms["chunked"])
    else:
        y = forms["chunked" if method == "auto" else method](*args)
    return y + D[None, None] * u


@functools.cache
def _log_once(choice: str) -> None:
    """Log a choice the first time that it is made."""
    _log.info(choice)


def _scan_xla(chunks: int, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Run the XLA loops."""
    return _in_chunks(chunks, scan_xla.padded_length, scan_xla.scan, u, delta, A, B, C)


def _scan_pallas(chunks: int, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Run the kernels, padded to whole blocks of channels and to a power of two of states."""
    # Imported here, because Pallas takes time to import and is seldom asked for.
    from haqagen_jax.ops import scan_pallas

    channels, states = u.shape[-1], B.shape[-1]
    more_channels = -channels % scan_pallas.CHANNELS
    more_states = (1 << (states - 1).bit_length()) - states
    u, delta = (jnp.pad(x, ((0, 0),) * 3 + ((0, more_channels),)) for x in (u, delta))
    B, C = (jnp.pad(x, ((0, 0),) * 3 + ((0, more_states),)) for x in (B, C))
    A = jnp.pad(A, ((0, 0), (0, more_states), (0, more_channels)))

    def run(*args: Array) -> Array:
        compiled, interpreted = (functools.partial(scan_pallas.scan, x) for x in (False, True))
        return lax.platform_dependent(*args, cuda=compiled, default=interpreted)

    return _in_chunks(chunks, scan_pallas.padded_length, run, u, delta, A, B, C)[..., :channels]


def _in_chunks(
    chunks: int,
    padded_length: Callable[[int], int],
    scan: Callable[..., Array],
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
) -> Array:
    """Scan a sequence of any length, padded and split into chunks: t s b k d."""
    length = u.shape[1]
    chunks = min(chunks, -(-length // MIN_CHUNK))
    padding = chunks * padded_length(-(-length // chunks)) - length

    def split(x: Array) -> Array:
        x = jnp.pad(x, ((0, 0), (0, padding), (0, 0), (0, 0)))
        x = x.reshape(x.shape[0], chunks, -1, *x.shape[2:])
        return x.transpose(2, 1, 0, 3, 4)

    y = scan(split(u), split(delta), A, split(B), split(C))
    y = y.transpose(2, 1, 0, 3, 4).reshape(u.shape[0], length + padding, *u.shape[2:])
    return y[:, :length]
