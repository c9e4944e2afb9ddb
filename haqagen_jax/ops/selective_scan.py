"""The selective scan of Mamba: a linear recurrence whose coefficients depend on the input.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t        y_t = C_t . h_t + D u_t

The sequence is cut into segments that are scanned side by side, and `jax.lax.associative_scan` over
what each does to its entering state joins them. With one segment this is the plain sequential
recurrence, which is what a few CPU cores want; accelerators want many. Two forms share this: XLA's
loops (`scan_segments`) and, for who asks for them, Pallas kernels (`scan_pallas`), which have been
interpreted and lowered but never run on a GPU. Both keep every so many states only and recompute
the others in their own gradient.

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

from haqagen_jax.ops import scan_segments
from haqagen_jax.ops.precision import at_least_float32

METHODS = ("auto", "sequential", "chunked", "pallas")
SEGMENTS = 128  # of the parallel forms
LEAST = 32  # steps of a segment
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
    """Runs the recurrence along `l`, independently for every batch entry, direction and channel.

    Args:
        u: input.
        delta: step sizes, not negative (softplus applied).
        A: continuous-time decay, negative.
        B: input coefficients.
        C: output coefficients.
        D: feed-through.
        method: "sequential" is one segment; "chunked" is many; "auto" is, by the platform that the
            code is lowered for, sequential on a CPU and chunked elsewhere; "pallas" runs the
            kernels, which are untried on hardware: interpreted, slowly, unless on an NVIDIA GPU.
        segments: how many there are, for "chunked" and "pallas"; None for 128, or fewer where the
            sequence is short.

    Returns:
        y in float32.

    Raises:
        ValueError: no such method, or segments below 1.

    Reference: Mamba, Eq. (2) and Algorithm 2; HAQAGen Sec. 3.1.
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(METHODS)}")
    if segments is not None and segments < 1:
        raise ValueError(f"segments = {segments}: must be 1 or more")
    inputs = [at_least_float32(x) for x in (u, delta, A, B, C, D)]
    u, delta, A, B, C, D = (x.astype(jnp.result_type(*inputs)) for x in inputs)
    args = (u, delta, jnp.swapaxes(A, 1, 2), B, C)
    many = segments or SEGMENTS
    forms = {
        "sequential": functools.partial(_segments, 1),
        "chunked": functools.partial(_segments, many),
        "pallas": functools.partial(_kernels, many),
    }
    if method == "auto" and segments is None:
        _say("selective scan: sequential on a CPU, chunked elsewhere")
        y = lax.platform_dependent(*args, cpu=forms["sequential"], default=forms["chunked"])
    else:
        y = forms["chunked" if method == "auto" else method](*args)
    return y + D[None, None] * u


@functools.cache
def _say(choice: str) -> None:
    """Logs a choice once."""
    _log.info(choice)


def _segments(many: int, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """XLA's loops."""
    return _any_length(many, scan_segments.whole, scan_segments.scan, u, delta, A, B, C)


def _kernels(many: int, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """The kernels, which want whole blocks of channels, and a power of two of states."""
    from haqagen_jax.ops import scan_pallas  # takes time to import, and is seldom needed

    channels, states = u.shape[-1], B.shape[-1]
    wider = -channels % scan_pallas.CHANNELS
    deeper = (1 << (states - 1).bit_length()) - states
    u, delta = (jnp.pad(x, ((0, 0),) * 3 + ((0, wider),)) for x in (u, delta))
    B, C = (jnp.pad(x, ((0, 0),) * 3 + ((0, deeper),)) for x in (B, C))
    A = jnp.pad(A, ((0, 0), (0, deeper), (0, wider)))

    def run(*args: Array) -> Array:
        compiled, interpreted = (functools.partial(scan_pallas.scan, x) for x in (False, True))
        return lax.platform_dependent(*args, cuda=compiled, default=interpreted)

    return _any_length(many, scan_pallas.whole, run, u, delta, A, B, C)[..., :channels]


def _any_length(
    segments: int,
    whole: Callable[[int], int],
    scan: Callable[..., Array],
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
) -> Array:
    """Pads to whole segments, moves time to the front: t s b k d."""
    length = u.shape[1]
    segments = min(segments, -(-length // LEAST))
    padding = segments * whole(-(-length // segments)) - length

    def split(x: Array) -> Array:
        x = jnp.pad(x, ((0, 0), (0, padding), (0, 0), (0, 0)))
        x = x.reshape(x.shape[0], segments, -1, *x.shape[2:])
        return x.transpose(2, 1, 0, 3, 4)

    y = scan(split(u), split(delta), A, split(B), split(C))
    y = y.transpose(2, 1, 0, 3, 4).reshape(u.shape[0], length + padding, *u.shape[2:])
    return y[:, :length]
