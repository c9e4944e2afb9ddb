"""The selective scan as Pallas kernels: one program for each chunk and block of channels.

A program walks through its chunk with the state in registers. Two kernels go forward, one for the
state that leaves a chunk, one for the outputs from the state that enters it; between them the
chunks' summaries are joined as in `haqagen_jax.ops.scan_xla`, whose layout this is. Two go backward
in the same way; states are checkpointed every `INTERVAL` steps and recomputed between. Written for
Triton (NVIDIA GPUs); `interpret` runs the same programs anywhere, slowly.

Reference: see `haqagen_jax.ops.selective_scan`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from haqagen_jax.ops.scan_xla import boundary_states, chunk_decay

INTERVAL = 8  # steps between checkpointed states: the recomputed ones must fit into registers
CHANNELS = 32  # of a program: a warp reads them at once
_ONE = (None, None, None)  # chunk, batch entry and direction of a program


def padded_length(steps: int) -> int:
    """Round `steps` up to a multiple of the checkpoint interval.

    Args:
        steps: Steps of a chunk, at least 1.

    Returns:
        The least such multiple, at least `steps`.
    """
    return steps + -steps % INTERVAL


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def scan(interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Run the recurrence, without the feed-through.

    Args:
        interpret: Run the kernels without a GPU.
        u: Input, t s b k d; t is a `padded_length`, d a multiple of `CHANNELS`.
        delta: Step sizes, t s b k d.
        A: Continuous-time decay, k n d; n is a power of two.
        B: Input coefficients, t s b k n.
        C: Output coefficients, t s b k n.

    Returns:
        y, t s b k d.
    """
    return _forward(interpret, u, delta, A, B, C)[0]


def _forward(
    interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, Array]:
    """Return y and the states before every INTERVAL-th step, [t s b k n d]."""
    inputs = [(u, "channels"), (delta, "channels"), (A, "A"), (B, "inner")]
    (summary,) = _call(_summarize, interpret, inputs, ["state"])
    h = boundary_states(chunk_decay(delta, A), summary, reverse=False)
    inputs += [(C, "inner"), (h, "state")]
    y, checkpoints = _call(_walk, interpret, inputs, ["channels", "checkpoints"])
    return y, checkpoints


def _scan_fwd(
    interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, tuple[Array, ...]]:
    y, checkpoints = _forward(interpret, u, delta, A, B, C)
    return y, (u, delta, A, B, C, checkpoints)


def _scan_bwd(interpret: bool, residuals: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    u, delta, A, B, C, checkpoints = residuals
    inputs = [(delta, "channels"), (A, "A"), (C, "inner"), (dy, "channels")]
    (summary,) = _call(_summarize_back, interpret, inputs, ["state"])
    m = boundary_states(chunk_decay(delta, A), summary, reverse=True)
    inputs = [(u, "channels"), (delta, "channels"), (A, "A"), (B, "inner"), (C, "inner")]
    inputs += [(dy, "channels"), (checkpoints, "checkpoints"), (m, "state")]
    outputs = ["channels", "channels", "state", "states", "states"]
    du, ddelta, dA, dB, dC = _call(_walk_back, interpret, inputs, outputs)
    return du, ddelta, dA.sum((0, 1)), dB.sum(-2), dC.sum(-2)


scan.defvjp(_scan_fwd, _scan_bwd)


def _call(
    kernel: Callable, interpret: bool, inputs: list[tuple[Array, str]], outputs: list[str]
) -> list[Array]:
    """Run a kernel over chunks, batch, directions and blocks of channels.

    Args:
        kernel: Takes a reference for each input and output.
        interpret: Run the kernel without a GPU.
        inputs: Arrays and their kinds: "A" [k n d], "channels" [t s b k d], "inner"
            [t s b k n], "checkpoints" [t/INTERVAL s b k n d], "state" [s b k n d].
        outputs: Kinds of the outputs; also "states" [t s b k block n].

    Returns:
        The outputs, in the order of their kinds.
    """
    by_kind = {kind: x for x, kind in inputs}
    (t, s, b, k, d), n = by_kind["channels"].shape, by_kind["A"].shape[1]
    blocks, c = d // CHANNELS, CHANNELS
    kinds = {
        "A": ((k, n, d), (None, n, c), lambda s, b, k, d: (k, 0, d)),
        "channels": ((t, s, b, k, d), (t, *_ONE, c), lambda *i: (0, *i)),
        "inner": ((t, s, b, k, n), (t, *_ONE, n), lambda s, b, k, d: (0, s, b, k, 0)),
        "checkpoints": (
            (t // INTERVAL, s, b, k, n, d),
            (t // INTERVAL, *_ONE, n, c),
            lambda s, b, k, d: (0, s, b, k, 0, d),
        ),
        "state": ((s, b, k, n, d), (*_ONE, n, c), lambda s, b, k, d: (s, b, k, 0, d)),
        "states": ((t, s, b, k, blocks, n), (t, *_ONE, None, n), lambda *i: (0, *i, 0)),
    }
    run = pl.pallas_call(
        kernel,
        out_shape=[jax.ShapeDtypeStruct(kinds[kind][0], by_kind["A"].dtype) for kind in outputs],
        grid=(s, b, k, blocks),
        in_specs=[pl.BlockSpec(*kinds[kind][1:]) for _, kind in inputs],
        out_specs=[pl.BlockSpec(*kinds[kind][1:]) for kind in outputs],
        compiler_params=None if interpret else triton.CompilerParams(num_warps=1),
        interpret=interpret,
    )
    return list(run(*(x for x, _ in inputs)))


def _summarize(u: Any, delta: Any, A: Any, B: Any, summary: Any) -> None:
    """Compute the state that leaves a chunk if zero enters it."""
    decays = A[...]

    def step(t: Array, h: Array) -> Array:
        return _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])

    summary[...] = lax.fori_loop(0, u.shape[0], step, jnp.zeros_like(decays))


def _advance(h: Array, decay: Array, u: Array, delta: Array, B: Array) -> Array:
    return decay * h + B[:, None] * (delta * u)[None]


def _walk(
    u: Any, delta: Any, A: Any, B: Any, C: Any, entering: Any, y: Any, checkpoints: Any
) -> None:
    """Compute the outputs, and the checkpoints for the way back."""
    decays = A[...]

    def interval(i: Array, h: Array) -> Array:
        checkpoints[i] = h

        def step(j: Array, h: Array) -> Array:
            t = i * INTERVAL + j
            h = _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])
            y[t] = (C[t][:, None] * h).sum(0)
            return h

        return lax.fori_loop(0, INTERVAL, step, h)

    lax.fori_loop(0, u.shape[0] // INTERVAL, interval, entering[...])


def _summarize_back(delta: Any, A: Any, C: Any, dy: Any, summary: Any) -> None:
    """Compute the adjoint that a chunk hands to the one before, if it receives zero."""
    decays, steps = A[...], delta.shape[0]

    def step(i: Array, m: Array) -> Array:
        t = steps - 1 - i
        return jnp.exp(delta[t][None] * decays) * (m + C[t][:, None] * dy[t][None])

    summary[...] = lax.fori_loop(0, steps, step, jnp.zeros_like(decays))


def _walk_back(
    u: Any, delta: Any, A: Any, B: Any, C: Any, dy: Any, checkpoints: Any, entering: Any,
    du: Any, ddelta: Any, dA: Any, dB: Any, dC: Any,
) -> None:  # fmt: skip
    """Compute all gradients; see `haqagen_jax.ops.scan_xla` for l and m."""
    decays, intervals = A[...], u.shape[0] // INTERVAL

    def interval(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        m, total = carry
        i = intervals - 1 - i
        h, before = checkpoints[i], []
        for j in range(INTERVAL):  # Unrolled, because registers cannot be indexed by a loop.
            t = i * INTERVAL + j
            before.append(h)
            h = _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])
        for j in reversed(range(INTERVAL)):
            t = i * INTERVAL + j
            ut, dt, after = u[t], delta[t], h
            h = before[j]
            l = m + C[t][:, None] * dy[t][None]  # noqa: E741
            m = jnp.exp(dt[None] * decays) * l
            flow = m * h
            through = (B[t][:, None] * l).sum(0)
            du[t] = through * dt
            ddelta[t] = (flow * decays).sum(0) + through * ut
            dB[t] = (l * (dt * ut)[None]).sum(1)
            dC[t] = (after * dy[t][None]).sum(1)
            total = total + flow * dt[None]
        return m, total

    _, total = lax.fori_loop(0, intervals, interval, (entering[...], jnp.zeros_like(decays)))
    dA[...] = total
