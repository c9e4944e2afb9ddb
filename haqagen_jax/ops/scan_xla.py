"""The selective scan as XLA loops: chunks side by side, each a sequential recurrence.

A chunk acts on the state that enters it as h -> P h + S, so `jax.lax.associative_scan` over the
pairs (P, S) gives the boundary states between chunks, and a second sweep gives the outputs. With
one chunk this is the plain sequential recurrence.

The custom VJP checkpoints the state at about every `INTERVAL`-th step only and recomputes the
others, one interval at a time, while the adjoint runs backwards: length / INTERVAL states are kept,
and a few times INTERVAL of every chunk live while an interval is recomputed. The adjoint that a
chunk hands to its predecessor is again P m + S, so the same associative scan serves the backward
pass.

Arrays are t s b k d: steps of a chunk (a `padded_length`), chunks, batch, directions, channels (or
states, n); A is k n d.

Reference: see `haqagen_jax.ops.selective_scan`.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

# At the default precision GPUs and TPUs round the factors of a product to fewer bits.
_EXACT = lax.Precision.HIGHEST

INTERVAL = 32  # steps between checkpointed states: the fastest of 8 to 128 on a CPU

Carry = tuple[Array, Array]


def padded_length(steps: int) -> int:
    """Round `steps` up to a length that equal checkpoint intervals divide.

    Args:
        steps: Steps of a chunk, at least 1.

    Returns:
        The least such length, at least `steps`.
    """
    while not _intervals(steps):
        steps += 1
    return steps


def _intervals(steps: int) -> list[int]:
    """List the intervals between half and twice INTERVAL that divide `steps`, the nearest first.

    A fixed interval would pad `steps` up to a multiple of it, and padding is a copy of the inputs.
    """
    near = sorted(range(INTERVAL // 2, 2 * INTERVAL + 1), key=lambda x: abs(x - INTERVAL))
    return [x for x in near if steps % x == 0]


def _dot(vector: Array, matrix: Array) -> Array:
    """Contract n: [..., n] . [..., n d] -> [..., d].

    XLA's CPU backend runs this dot several times faster than multiply and sum.
    """
    return jnp.einsum("...n,...nd->...d", vector, matrix, precision=_EXACT)


def _dot_d(matrix: Array, vector: Array) -> Array:
    """Contract d: [..., n d] . [..., d] -> [..., n]."""
    return jnp.einsum("...nd,...d->...n", matrix, vector, precision=_EXACT)


def _sum_n(x: Array) -> Array:
    """Sum over n as a dot, which is faster: see `_dot`."""
    return _dot(jnp.ones(x.shape[:-1], x.dtype), x)


def _decay(delta: Array, A: Array) -> Array:
    """Compute exp(delta A): [s b k d], [k n d] -> [s b k n d]."""
    return jnp.exp(delta[..., None, :] * A[None, None])


def _advance(h: Array, decay: Array, u: Array, delta: Array, B: Array) -> Array:
    """Take one step of the recurrence."""
    return decay * h + (delta * u)[..., None, :] * B[..., :, None]


def _zero_state(u: Array, B: Array) -> Array:
    return jnp.zeros((*u.shape[1:4], B.shape[-1], u.shape[-1]), u.dtype)


def boundary_states(decay: Array, summary: Array, *, reverse: bool) -> Array:
    """Compute the state that enters each chunk from the chunks' summaries (P, S).

    Args:
        decay: P of each chunk, the product of its decays: s b k n d.
        summary: S of each chunk, the state that leaves it if zero enters: s b k n d.
        reverse: Go from the last chunk to the first, as the adjoint does.

    Returns:
        The entering states, s b k n d; zero for the chunk where the scan begins.
    """

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] * first[0], second[0] * first[1] + second[1]

    _, leaving = lax.associative_scan(join, (decay, summary), reverse=reverse)
    zero = jnp.zeros_like(leaving[:1])
    parts = (leaving[1:], zero) if reverse else (zero, leaving[:-1])
    return jnp.concatenate(parts)


def chunk_decay(delta: Array, A: Array) -> Array:
    """Compute P of every chunk, the product of its steps' decays.

    Args:
        delta: Step sizes, t s b k d.
        A: Continuous-time decay, k n d.

    Returns:
        P, s b k n d.
    """
    return _decay(delta.sum(0), A)


def _entering_states(u: Array, delta: Array, A: Array, B: Array) -> Array:
    """Compute the state that enters each chunk."""
    h = _zero_state(u, B)
    if u.shape[1] == 1:
        return h

    def summarize(h: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
        u, delta, B = x
        return _advance(h, _decay(delta, A), u, delta, B), None

    summary, _ = lax.scan(summarize, h, (u, delta, B))
    return boundary_states(chunk_decay(delta, A), summary, reverse=False)


def _steps(h: Array, A: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """Compute the state after consecutive steps, and y of each."""

    def step(h: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        u, delta, B, C = x
        h = _advance(h, _decay(delta, A), u, delta, B)
        return h, _dot(C, h)

    return lax.scan(step, h, xs)


def _by_interval(*arrays: Array) -> tuple[Array, ...]:
    """Split the leading axis of arrays into checkpoint intervals and steps."""
    interval = _intervals(len(arrays[0]))[0]
    return tuple(x.reshape(-1, interval, *x.shape[1:]) for x in arrays)


@jax.custom_vjp
def scan(u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Run the recurrence, without the feed-through.

    Args:
        u: Input, t s b k d; t is a `padded_length`.
        delta: Step sizes, t s b k d.
        A: Continuous-time decay, k n d.
        B: Input coefficients, t s b k n.
        C: Output coefficients, t s b k n.

    Returns:
        y, t s b k d.
    """
    return _steps(_entering_states(u, delta, A, B), A, (u, delta, B, C))[1]


def _scan_fwd(
    u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Keep the state before every checkpoint interval."""

    def interval(h: Array, xs: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        last, y = _steps(h, A, xs)
        return last, (y, h)

    h = _entering_states(u, delta, A, B)
    _, (y, checkpoints) = lax.scan(interval, h, _by_interval(u, delta, B, C))
    return y.reshape(u.shape), (u, delta, A, B, C, checkpoints)


def _scan_bwd(residuals: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    """Run the adjoint backwards, recomputing the states from their checkpoints.

    With l_t the gradient of the loss in h_t and m_t = exp(delta_t A) l_t what step t hands to
    step t - 1: l_t = C_t dy_t + m_{t+1}.
    """
    u, delta, A, B, C, checkpoints = residuals
    m = _zero_state(u, B)
    if u.shape[1] > 1:

        def summarize(m: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
            delta, C, dy = x
            return _decay(delta, A) * (m + C[..., :, None] * dy[..., None, :]), None

        summary, _ = lax.scan(summarize, m, (delta, C, dy), reverse=True)
        m = boundary_states(chunk_decay(delta, A), summary, reverse=True)

    def recompute(h: Array, x: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        u, delta, B = x
        decay = _decay(delta, A)
        return _advance(h, decay, u, delta, B), (h, decay)

    def step(carry: Carry, x: tuple[Array, ...]) -> tuple[Carry, tuple[Array, ...]]:
        m, dA = carry
        u, delta, B, C, dy, h, decay = x
        l = m + C[..., :, None] * dy[..., None, :]  # noqa: E741
        m = decay * l
        flow = m * h  # the gradient in the exponent delta A
        through = _dot(B, l)
        dC = _dot_d(_advance(h, decay, u, delta, B), dy)
        dB = _dot_d(l, delta * u)
        ddelta = _sum_n(flow * A[None, None]) + through * u
        return (m, dA + flow * delta[..., None, :]), (through * delta, ddelta, dB, dC)

    def interval(carry: Carry, x: tuple[Array, ...]) -> tuple[Carry, tuple[Array, ...]]:
        u, delta, B, C, dy, h = x
        _, (before, decay) = lax.scan(recompute, h, (u, delta, B))
        return lax.scan(step, carry, (u, delta, B, C, dy, before, decay), reverse=True)

    xs = (*_by_interval(u, delta, B, C, dy), checkpoints)
    (_, dA), grads = lax.scan(interval, (m, jnp.zeros_like(m)), xs, reverse=True)
    du, ddelta, dB, dC = (g.reshape(-1, *g.shape[2:]) for g in grads)
    return du, ddelta, dA.sum((0, 1)), dB, dC


scan.defvjp(_scan_fwd, _scan_bwd)
