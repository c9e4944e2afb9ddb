"""What the selective scan costs, beside other ways to write it and beside its bound.

    DEVICES=1 launch/cpu.sh python benchmarks/scan.py

4 directions x 128 channels x 16 states, batch 1. A row for each length and form, forward and with
all gradients: median seconds (forms by turns), seconds to compile, MB of temporaries, the time to
that of our sequential form, and to the bound: the exponentials alone, one for each step, channel
and state (two with gradients), in a loop over an array that fits the cache. The reference forms are
written here: `lax.associative_scan` over the whole length, `lax.scan` with JAX's own gradient, and,
where PyTorch is installed, its loop and its parallel prefix (Hillis and Steele's doubling).
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from haqagen_jax.ops import selective_scan

DIRECTIONS, CHANNELS, STATES = 4, 128, 16
MOST = {"associative": 16_384, "plain": 16_384, "torch loop": 4_096, "torch prefix": 16_384}
HEAD = ("steps", "what", "form", "s", "compile, s", "temporaries, MB", "to ours", "to the bound")


class Form(NamedTuple):
    """A way to run the scan, ready to be timed."""

    name: str
    run: Callable[[], Any]
    compiling: float
    temporaries: float  # MB; 0 where unknown


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", nargs="+", type=int, default=[1024, 4096, 16_384, 65_536])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("|--:|---|---|" + "--:|" * (len(HEAD) - 3), flush=True)
    each = exponential()
    for steps in args.steps:
        for gradients in (False, True):
            rows(steps, gradients, args.rounds, each)


def rows(steps: int, gradients: bool, rounds: int, each: float) -> None:
    """Prints the rows of one length."""
    what = "with gradients" if gradients else "forward"
    bound = each * steps * DIRECTIONS * CHANNELS * STATES * (2 if gradients else 1)
    forms = [*of_jax(steps, gradients), *of_torch(steps, gradients)]
    times: dict[str, list[float]] = {form.name: [] for form in forms}
    for turn in range(rounds + 1):
        for form in forms:
            since = time.monotonic()
            form.run()
            if turn:  # the first one warms up
                times[form.name].append(time.monotonic() - since)
    ours = statistics.median(times["sequential"])
    for form in forms:
        taken = statistics.median(times[form.name])
        cells = [str(steps), what, form.name, f"{taken:.3g}"]
        cells += [f"{form.compiling:.1f}", f"{form.temporaries:.0f}" if form.temporaries else ""]
        print(
            f"| {' | '.join([*cells, f'{taken / ours:.2f}', f'{taken / bound:.1f}'])} |", flush=True
        )


def of_jax(steps: int, gradients: bool) -> list[Form]:
    """Ours, and two plain ways."""
    inputs = [jax.device_put(x) for x in arrays(steps)]
    ways: dict[str, Callable[..., Array]] = {
        "sequential": lambda *x: selective_scan(*x, method="sequential"),
        "chunked": lambda *x: selective_scan(*x, method="chunked", segments=16),
        "associative": associative,
        "plain": plain,
    }
    forms = []
    for name, way in ways.items():
        if steps > MOST.get(name, steps):
            continue

        def total(*x: Array, way: Callable[..., Array] = way) -> Array:
            return way(*x).sum()

        since = time.monotonic()
        program = jax.jit(jax.grad(total, argnums=tuple(range(6))) if gradients else way)
        compiled = program.lower(*inputs).compile()
        took = time.monotonic() - since
        memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
        forms.append(Form(name, lambda c=compiled: jax.block_until_ready(c(*inputs)), took, memory))
    return forms


def arrays(steps: int) -> list[np.ndarray]:
    """Inputs of the size of the network's."""
    rng = np.random.default_rng(0)
    wide, inner = (1, steps, DIRECTIONS, CHANNELS), (1, steps, DIRECTIONS, STATES)
    return [
        rng.standard_normal(wide, np.float32),
        np.float32(0.1) * rng.random(wide, np.float32),
        -np.broadcast_to(
            np.arange(1, STATES + 1, dtype=np.float32), (DIRECTIONS, CHANNELS, STATES)
        ),
        rng.standard_normal(inner, np.float32),
        rng.standard_normal(inner, np.float32),
        np.ones((DIRECTIONS, CHANNELS), np.float32),
    ]


def associative(u: Array, delta: Array, A: Array, B: Array, C: Array, D: Array) -> Array:
    """All states at once."""

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] * first[0], second[0] * first[1] + second[1]

    decay = jnp.exp(delta[..., None] * A)
    drive = (delta * u)[..., None] * B[..., None, :]
    _, states = lax.associative_scan(join, (decay, drive), axis=1)
    return (states * C[..., None, :]).sum(-1) + D * u


def plain(u: Array, delta: Array, A: Array, B: Array, C: Array, D: Array) -> Array:
    """A step at a time, without a gradient of its own."""

    def step(h: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        u, delta, B, C = x
        h = jnp.exp(delta[..., None] * A) * h + (delta * u)[..., None] * B[..., None, :]
        return h, (h * C[..., None, :]).sum(-1)

    start = jnp.zeros((u.shape[0], *A.shape), u.dtype)
    _, y = lax.scan(step, start, [jnp.moveaxis(x, 1, 0) for x in (u, delta, B, C)])
    return jnp.moveaxis(y, 0, 1) + D * u


def of_torch(steps: int, gradients: bool) -> list[Form]:
    """The same two ways in PyTorch, if it is there."""
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    inputs = [torch.tensor(x, requires_grad=gradients) for x in arrays(steps)]

    def loop() -> Any:
        u, delta, A, B, C, D = inputs
        h, found = torch.zeros(1, *A.shape), []
        for t in range(steps):
            decay = torch.exp(delta[:, t, ..., None] * A)
            h = decay * h + (delta[:, t] * u[:, t])[..., None] * B[:, t, :, None]
            found.append((h * C[:, t, :, None]).sum(-1))
        return torch.stack(found, 1) + D * u

    def prefix() -> Any:
        u, delta, A, B, C, D = inputs
        decay = torch.exp(delta[..., None] * A)
        state = (delta * u)[..., None] * B[..., None, :]
        reach = 1
        while reach < steps:
            state = torch.cat(
                [state[:, :reach], state[:, reach:] + decay[:, reach:] * state[:, :-reach]], 1
            )
            decay = torch.cat([decay[:, :reach], decay[:, reach:] * decay[:, :-reach]], 1)
            reach *= 2
        return (state * C[..., None, :]).sum(-1) + D * u

    def timed(way: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> None:
            if gradients:
                torch.autograd.grad(way().sum(), inputs)
            else:
                with torch.no_grad():
                    way()

        return run

    ways = {"torch loop": loop, "torch prefix": prefix}
    return [Form(n, timed(way), 0.0, 0.0) for n, way in ways.items() if steps <= MOST[n]]


def exponential() -> float:
    """Seconds of one exponential, on all cores."""
    x = jax.device_put(-np.random.default_rng(0).random(1 << 16, np.float32))
    many = jax.jit(lambda x: lax.fori_loop(0, 400, lambda _, y: jnp.exp(-y), x))
    jax.block_until_ready(many(x))
    since = time.monotonic()
    jax.block_until_ready(many(x))
    return (time.monotonic() - since) / (400 * x.size)


if __name__ == "__main__":
    main()
