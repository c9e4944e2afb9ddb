"""The selective scan of Mamba: a linear recurrence whose coefficients depend on the input.

    h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t        y_t = C_t . h_t + D u_t

The sequence is cut into `segments` that are scanned side by side. A segment acts on its entering
state as h -> P h + S, so `jax.lax.associative_scan` over the pairs (P, S) gives every segment its
entering state, and a second sweep gives the outputs. With one segment this is the plain
sequential recurrence, which is what a few CPU cores want; accelerators want many.

The custom VJP keeps the states at every `STRIDE`-th step only and recomputes the others, one
stretch at a time, while the adjoint runs backwards: length / STRIDE states are kept, and a few
times STRIDE of every segment live while a stretch is recomputed. The adjoint that a segment hands
to its predecessor is again P m + S, so the same associative scan serves the backward pass.

Everything is float32 inside, whatever the inputs. Any length; padding steps have delta = 0, which
leaves the state as it is.

Reference: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023);
Blelloch, "Prefix Sums and Their Applications" (1990); HAQAGen Sec. 3.1.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from haqagen_jax.ops.precision import at_least_float32

# Without it GPUs and TPUs round the factors of a product to fewer bits than float32.
_EXACT = lax.Precision.HIGHEST

STRIDE = 32  # steps between kept states: the fastest of 8 to 128 on a CPU
SEGMENTS_CPU = 1
SEGMENTS_ACCELERATOR = 128


def selective_scan(
    u: Float[Array, "b l k d"],
    delta: Float[Array, "b l k d"],
    A: Float[Array, "k d n"],
    B: Float[Array, "b l k n"],
    C: Float[Array, "b l k n"],
    D: Float[Array, "k d"],
    *,
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
        segments: how many stretches of the sequence are scanned side by side; by default 1 on a
            CPU and 128 elsewhere, chosen when the code is lowered.

    Returns:
        y in float32.

    Raises:
        ValueError: segments below 1.

    Reference: Mamba, Eq. (2) and Algorithm 2; HAQAGen Sec. 3.1.
    """
    if segments is not None and segments < 1:
        raise ValueError(f"segments = {segments}: must be 1 or more")
    inputs = [at_least_float32(x) for x in (u, delta, A, B, C, D)]
    u, delta, A, B, C, D = (x.astype(jnp.result_type(*inputs)) for x in inputs)
    args = (u, delta, jnp.swapaxes(A, 1, 2), B, C)
    if segments is None:
        y = lax.platform_dependent(
            *args,
            cpu=functools.partial(_any_length, SEGMENTS_CPU),
            default=functools.partial(_any_length, SEGMENTS_ACCELERATOR),
        )
    else:
        y = _any_length(segments, *args)
    return y + D[None, None] * u


def _any_length(segments: int, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Pads to whole segments, moves time to the front: t s b k d."""
    length = u.shape[1]
    segments = min(segments, -(-length // STRIDE))
    unit = segments * STRIDE
    padding = -length % unit

    def split(x: Array) -> Array:
        x = jnp.pad(x, ((0, 0), (0, padding), (0, 0), (0, 0)))
        x = x.reshape(x.shape[0], segments, -1, *x.shape[2:])
        return x.transpose(2, 1, 0, 3, 4)

    y = _scan(split(u), split(delta), A, split(B), split(C))
    y = y.transpose(2, 1, 0, 3, 4).reshape(u.shape[0], length + padding, *u.shape[2:])
    return y[:, :length]


Pair = tuple[Array, Array]


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


def _entering(product: Array, last: Array, *, reverse: bool) -> Array:
    """The state that enters each segment, from the segments' summaries (P, S) along axis 0."""

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] * first[0], second[0] * first[1] + second[1]

    _, leaving = lax.associative_scan(join, (product, last), reverse=reverse)
    zero = jnp.zeros_like(leaving[:1])
    parts = (leaving[1:], zero) if reverse else (zero, leaving[:-1])
    return jnp.concatenate(parts)


def _whole_decay(delta: Array, A: Array) -> Array:
    """P of every segment: the product of its decays."""
    return _decay(delta.sum(0), A)


def _forward(u: Array, delta: Array, A: Array, B: Array, C: Array) -> tuple[Array, Array]:
    """Returns y [t s b k d] and the states before every STRIDE-th step."""
    h = _zero_state(u, B)
    if u.shape[1] > 1:

        def summarise(h: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
            u, delta, B = x
            return _advance(h, _decay(delta, A), u, delta, B), None

        last, _ = lax.scan(summarise, h, (u, delta, B))
        h = _entering(_whole_decay(delta, A), last, reverse=False)

    def step(h: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        u, delta, B, C = x
        h = _advance(h, _decay(delta, A), u, delta, B)
        return h, _dot(C, h)

    def stretch(h: Array, xs: tuple[Array, ...]) -> tuple[Array, tuple[Array, Array]]:
        last, y = lax.scan(step, h, xs)
        return last, (y, h)

    _, (y, kept) = lax.scan(stretch, h, _stretches(u, delta, B, C))
    return y.reshape(u.shape), kept


def _stretches(*arrays: Array) -> tuple[Array, ...]:
    return tuple(x.reshape(-1, STRIDE, *x.shape[1:]) for x in arrays)


@jax.custom_vjp
def _scan(u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    return _forward(u, delta, A, B, C)[0]


def _scan_fwd(
    u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, tuple[Array, ...]]:
    y, kept = _forward(u, delta, A, B, C)
    return y, (u, delta, A, B, C, kept)


def _scan_bwd(residuals: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    """With l_t the gradient of the loss in h_t and m_t = exp(delta_t A) l_t what step t hands to
    step t - 1: l_t = C_t dy_t + m_{t+1}."""
    u, delta, A, B, C, kept = residuals
    m = _zero_state(u, B)
    if u.shape[1] > 1:

        def summarise(m: Array, x: tuple[Array, ...]) -> tuple[Array, None]:
            delta, C, dy = x
            return _decay(delta, A) * (m + C[..., :, None] * dy[..., None, :]), None

        last, _ = lax.scan(summarise, m, (delta, C, dy), reverse=True)
        m = _entering(_whole_decay(delta, A), last, reverse=True)

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


_scan.defvjp(_scan_fwd, _scan_bwd)
