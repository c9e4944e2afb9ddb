"""The selective scan as Pallas kernels: one program a segment and a block of channels.

A program walks through its segment with the state in registers. Two programs go forward, one for
what leaves a segment, one for the outputs from what enters it; between them the segments' summaries
are joined as in `haqagen_jax.ops.scan_segments`, whose layout this is. Two go backward in the same
way; states are kept every `STRIDE` steps and recomputed between. Written for Triton (NVIDIA GPUs);
`interpret` runs the same programs anywhere, slowly.

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

from haqagen_jax.ops.scan_segments import entering, whole_decay

STRIDE = 8  # steps between kept states: as many fit into registers while they are recomputed
CHANNELS = 32  # of a program: a warp reads them at once
_ONE = (None, None, None)  # segment, batch entry and direction of a program


def whole(steps: int) -> int:
    """The least number, from `steps`, of steps that a program can take."""
    return steps + -steps % STRIDE


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def scan(interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """Runs the recurrence.

    Args:
        interpret: run the kernels without a GPU.
        u: t s b k d; t is `whole`, d a multiple of `CHANNELS`.
        delta: t s b k d.
        A: k n d; n is a power of two.
        B: t s b k n.
        C: t s b k n.

    Returns:
        y without the feed-through, t s b k d.
    """
    return _forward(interpret, u, delta, A, B, C)[0]


def _forward(
    interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, Array]:
    """Returns y and the states before every STRIDE-th step, [t s b k n d]."""
    inputs = [(u, "channels"), (delta, "channels"), (A, "A"), (B, "inner")]
    (last,) = _call(_summarize, interpret, inputs, ["state"])
    h = entering(whole_decay(delta, A), last, reverse=False)
    inputs += [(C, "inner"), (h, "state")]
    y, kept = _call(_walk, interpret, inputs, ["channels", "kept"])
    return y, kept


def _scan_fwd(
    interpret: bool, u: Array, delta: Array, A: Array, B: Array, C: Array
) -> tuple[Array, tuple[Array, ...]]:
    y, kept = _forward(interpret, u, delta, A, B, C)
    return y, (u, delta, A, B, C, kept)


def _scan_bwd(interpret: bool, residuals: tuple[Array, ...], dy: Array) -> tuple[Array, ...]:
    u, delta, A, B, C, kept = residuals
    inputs = [(delta, "channels"), (A, "A"), (C, "inner"), (dy, "channels")]
    (first,) = _call(_summarize_back, interpret, inputs, ["state"])
    m = entering(whole_decay(delta, A), first, reverse=True)
    inputs = [(u, "channels"), (delta, "channels"), (A, "A"), (B, "inner"), (C, "inner")]
    inputs += [(dy, "channels"), (kept, "kept"), (m, "state")]
    outputs = ["channels", "channels", "state", "states", "states"]
    du, ddelta, dA, dB, dC = _call(_walk_back, interpret, inputs, outputs)
    return du, ddelta, dA.sum((0, 1)), dB.sum(-2), dC.sum(-2)


scan.defvjp(_scan_fwd, _scan_bwd)


def _call(
    kernel: Callable, interpret: bool, inputs: list[tuple[Array, str]], outputs: list[str]
) -> list[Array]:
    """Runs a kernel over segments, batch, directions and blocks of channels.

    Args:
        kernel: takes a reference for each input and output.
        interpret: see `scan`.
        inputs: arrays and what they are: "A" [k n d], "channels" [t s b k d], "inner"
            [t s b k n], "kept" [t/STRIDE s b k n d], "state" [s b k n d].
        outputs: what they are; also "states" [t s b k block n].

    Returns:
        The outputs.
    """
    by_kind = {kind: x for x, kind in inputs}
    (t, s, b, k, d), n = by_kind["channels"].shape, by_kind["A"].shape[1]
    blocks, c = d // CHANNELS, CHANNELS
    kinds = {
        "A": ((k, n, d), (None, n, c), lambda s, b, k, d: (k, 0, d)),
        "channels": ((t, s, b, k, d), (t, *_ONE, c), lambda *i: (0, *i)),
        "inner": ((t, s, b, k, n), (t, *_ONE, n), lambda s, b, k, d: (0, s, b, k, 0)),
        "kept": (
            (t // STRIDE, s, b, k, n, d),
            (t // STRIDE, *_ONE, n, c),
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


def _summarize(u: Any, delta: Any, A: Any, B: Any, last: Any) -> None:
    """What leaves the segment if nothing enters it."""
    decays = A[...]

    def step(t: Array, h: Array) -> Array:
        return _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])

    last[...] = lax.fori_loop(0, u.shape[0], step, jnp.zeros_like(decays))


def _advance(h: Array, decay: Array, u: Array, delta: Array, B: Array) -> Array:
    return decay * h + B[:, None] * (delta * u)[None]


def _walk(u: Any, delta: Any, A: Any, B: Any, C: Any, enters: Any, y: Any, kept: Any) -> None:
    """The outputs, and the states to go back from."""
    decays = A[...]

    def stretch(i: Array, h: Array) -> Array:
        kept[i] = h

        def step(j: Array, h: Array) -> Array:
            t = i * STRIDE + j
            h = _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])
            y[t] = (C[t][:, None] * h).sum(0)
            return h

        return lax.fori_loop(0, STRIDE, step, h)

    lax.fori_loop(0, u.shape[0] // STRIDE, stretch, enters[...])


def _summarize_back(delta: Any, A: Any, C: Any, dy: Any, first: Any) -> None:
    """What the adjoint hands to the segment before, if nothing comes from the one behind."""
    decays, steps = A[...], delta.shape[0]

    def step(i: Array, m: Array) -> Array:
        t = steps - 1 - i
        return jnp.exp(delta[t][None] * decays) * (m + C[t][:, None] * dy[t][None])

    first[...] = lax.fori_loop(0, steps, step, jnp.zeros_like(decays))


def _walk_back(
    u: Any, delta: Any, A: Any, B: Any, C: Any, dy: Any, kept: Any, enters: Any,
    du: Any, ddelta: Any, dA: Any, dB: Any, dC: Any,
) -> None:  # fmt: skip
    """All gradients; see `haqagen_jax.ops.scan_segments` for l and m."""
    decays, stretches = A[...], u.shape[0] // STRIDE

    def stretch(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        m, total = carry
        i = stretches - 1 - i
        h, before = kept[i], []
        for j in range(STRIDE):  # unrolled: registers have no index
            t = i * STRIDE + j
            before.append(h)
            h = _advance(h, jnp.exp(delta[t][None] * decays), u[t], delta[t], B[t])
        for j in reversed(range(STRIDE)):
            t = i * STRIDE + j
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

    _, total = lax.fori_loop(0, stretches, stretch, (enters[...], jnp.zeros_like(decays)))
    dA[...] = total
