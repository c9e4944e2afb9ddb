"""The selective scan as XLA runs it: segments side by side, each a sequential recurrence.

A segment acts on its entering state as h -> P h + S, so `jax.lax.associative_scan` over the pairs
(P, S) gives every segment its entering state, and a second sweep gives the outputs. With one
segment this is the plain sequential recurrence.

The custom VJP keeps the states at about every `STRIDE`-th step only and recomputes the others, one
stretch at a time, while the adjoint runs backwards: length / STRIDE states are kept, and a few
times STRIDE of every segment live while a stretch is recomputed. The adjoint that a segment hands
to its predecessor is again P m + S, so the same associative scan serves the backward pass.

Arrays are t s b k d: steps of a segment (`whole` ones), segments, batch, directions,
channels (or states, n); A is k n d.

Reference: see `haqagen_jax.ops.selective_scan`.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

# Without it GPUs and TPUs round the factors of a product to fewer bits than float32.
_EXACT = lax.Precision.HIGHEST

STRIDE = 32  # steps between kept states: the fastest of 8 to 128 on a CPU

Pair = tuple[Array, Array]


def whole(steps: int) -> int:
    """The least number, from `steps`, of steps that stretches divide."""
    while not _divisors(steps):
        steps += 1
    return steps


def _divisors(steps: int) -> list[int]:
    """Possible lengths of a stretch, the one nearest to STRIDE first. Padding would be a copy."""
    near = sorted(range(STRIDE // 2, 2 * STRIDE + 1), key=lambda x: abs(x - STRIDE))
    return [x for x in near if steps % x == 0]


def _dot(vector: Array, matrix: Array) -> Array:
    """[..., n] . [..., n d] -> [..., d]; a dot, which XLA's CPU backend runs several times faster
    than multiply and sum."""
    return jnp.einsum("...n,...nd->...d", vector, matrix, precision=_EXACT)


def _dot_d(matrix: Array, vector: Array) -> Array:
    """[..., n d] . [..., d] -> [..., n]."""
    return jnp.einsum("...nd,...d->...n", matrix, vector, precision=_EXACT)


def _sum_n(x: Array) -> Array:
    """Sums over n as a dot, for the same reason."""
    return _dot(jnp.ones(x.shape[:-1], x.dtype), x)


def _decay(delta: Array, A: Array) -> Array:
    """exp(delta A): [s b k d], [k n d] -> [s b k n d]."""
    return jnp.exp(delta[..., None, :] * A[None, None])


def _advance(h: Array, decay: Array, u: Array, delta: Array, B: Array) -> Array:
    return decay * h + (delta * u)[..., None, :] * B[..., :, None]


def _zero_state(u: Array, B: Array) -> Array:
    return jnp.zeros((*u.shape[1:4], B.shape[-1], u.shape[-1]), u.dtype)


def entering(product: Array, last: Array, *, reverse: bool) -> Array:
    """The state that enters each segment, from the segments' summaries (P, S) along axis 0."""

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] * first[0], second[0] * first[1] + second[1]

    _, leaving = lax.associative_scan(join, (product, last), reverse=reverse)
    zero = jnp.zeros_like(leaving[:1])
    parts = (leaving[1:], zero) if reverse else (zero, leaving[:-1])
    return jnp.concatenate(parts)


def whole_decay(delta: Array, A: Array) -> Array:
    """P of every segment: the product of its decays."""
    return _decay(delta.sum(0), A)


def _entering(u: Array, delta: Array, A: Array, B: Array) -> Array:
    """The state that enters each segment."""
    h = _zero_state(u, B)
    if u.shape[1] == 1:
        return h

    def summarize(h: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
        u, delta, B = x
        return _advance(h, _decay(delta, A), u, delta, B), None

    last, _ = lax.scan(summarize, h, (u, delta, B))
    return entering(whole_decay(delta, A), last, reverse=False)


def _steps(h: Array, A: Array, xs: tuple[Array, ...]) -> tuple[Array, Array]:
    """The state after, and y of, consecutive steps."""

    def step(h: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        u, delta, B, C = x
        h = _advance(h, _decay(delta, A), u, delta, B)
        return h, _dot(C, h)

    return lax.scan(step, h, xs)


def _stretches(*arrays: Array) -> tuple[Array, ...]:
    stretch = _divisors(len(arrays[0]))[0]
    return tuple(x.reshape(-1, stretch, *x.shape[1:]) for x in arrays)


@jax.custom_vjp
def scan(u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Runs the recurrence.

    Args:
        u: t s b k d; t is `whole`.
        delta: t s b k d.
        A: k n d.
        B: t s b k n.
        C: t s b k n.

    Returns:
        y without the feed-through, t s b k d.
    """
    return _steps(_entering(u, delta, A, B), A, (u, delta, B, C))[1]


def _scan_fwd(
    u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Keeps the states before every stretch."""

    def stretch(h: Array, xs: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        last, y = _steps(h, A, xs)
        return last, (y, h)

    h = _entering(u, delta, A, B)
    _, (y, kept) = lax.scan(stretch, h, _stretches(u, delta, B, C))
    return y.reshape(u.shape), (u, delta, A, B, C, kept)


def _scan_bwd(residuals: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    """With l_t the gradient of the loss in h_t and m_t = exp(delta_t A) l_t what step t hands to
    step t - 1: l_t = C_t dy_t + m_{t+1}."""
    u, delta, A, B, C, kept = residuals
    m = _zero_state(u, B)
    if u.shape[1] > 1:

        def summarize(m: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
            delta, C, dy = x
            return _decay(delta, A) * (m + C[..., :, None] * dy[..., None, :]), None

        last, _ = lax.scan(summarize, m, (delta, C, dy), reverse=True)
        m = entering(whole_decay(delta, A), last, reverse=True)

    def recompute(h: Array, x: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        u, delta, B = x
        decay = _decay(delta, A)
        return _advance(h, decay, u, delta, B), (h, decay)

    def step(carry: tuple[Array, Array], x: tuple[Array, ...]) -> tuple[Pair, tuple[Array, ...]]:
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

    def stretch(carry: tuple[Array, Array], x: tuple[Array, ...]) -> tuple[Pair, tuple[Array, ...]]:
        u, delta, B, C, dy, h = x
        _, (before, decay) = lax.scan(recompute, h, (u, delta, B))
        return lax.scan(step, carry, (u, delta, B, C, dy, before, decay), reverse=True)

    xs = (*_stretches(u, delta, B, C, dy), kept)
    (_, dA), grads = lax.scan(stretch, (m, jnp.zeros_like(m)), xs, reverse=True)
    du, ddelta, dB, dC = (g.reshape(-1, *g.shape[2:]) for g in grads)
    return du, ddelta, dA.sum((0, 1)), dB, dC


scan.defvjp(_scan_fwd, _scan_bwd)
