"""What the selective scan costs, beside other ways to write it and beside its bound.

    DEVICES=1 launch/cpu.sh python benchmarks/scan.py

4 directions x 128 channels x 16 states, batch 1. A row for each length and form, forward and with
all gradients: median seconds (forms interleaved), seconds to compile, MB of memory besides the
inputs, the time and the memory to those of our sequential form, and the time to the bound: the
exponentials alone, one for each step, channel and state (two with gradients), in a loop over an
array that fits the cache. Memory is that of the compiled program, temporaries and results, and for
PyTorch the growth of a process of its own.

The reference forms are written here: `lax.associative_scan` over the whole length, `lax.scan` with
JAX's own gradient, and, where PyTorch is installed, its loop and its parallel prefix
(`torch_scan`). They stop at lengths that take them minutes or all memory.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from haqagen_jax.ops import selective_scan

DIRECTIONS, CHANNELS, STATES = 4, 128, 16
# The longest that each reference form is given, forward and with gradients.
MOST = {
    "JAX associative": (16_384, 4096),
    "JAX loop": (65_536, 16_384),
    "PyTorch loop": (16_384, 1024),
    "PyTorch prefix": (16_384, 16_384),
}
HEAD = ("steps", "what", "form", "s", "compile, s", "MB", "time to ours", "MB to ours", "to bound")


class Form(NamedTuple):
    """An implementation of the scan, compiled and ready to be timed."""

    name: str
    run: Callable[[], Any]
    compiling: float
    memory: float  # MB


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", nargs="+", type=int, default=[1024, 4096, 16_384, 65_536])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--grow", nargs=3, metavar=("FORM", "STEPS", "GRADIENTS"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.grow:
        print(growth(args.grow[0], int(args.grow[1]), args.grow[2] == "True"))
        return
    print(f"| {' | '.join(HEAD)} |")
    print("|--:|---|---|" + "--:|" * (len(HEAD) - 3), flush=True)
    each = exponential()
    for steps in args.steps:
        for gradients in (False, True):
            rows(steps, gradients, args.rounds, each)


def rows(steps: int, gradients: bool, rounds: int, each: float) -> None:
    """Measure and print the rows of one length."""
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
    ours, least = statistics.median(times["sequential"]), forms[0].memory
    for form in forms:
        taken = statistics.median(times[form.name])
        cells = [str(steps), what, form.name, f"{taken:.3g}"]
        cells += [f"{form.compiling:.1f}", f"{form.memory:.0f}", f"{taken / ours:.2f}"]
        cells += [f"{form.memory / least:.2f}", f"{taken / bound:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def within(name: str, steps: int, gradients: bool) -> bool:
    """Return whether a form is measured at this length."""
    return name not in MOST or steps <= MOST[name][gradients]


def of_jax(steps: int, gradients: bool) -> list[Form]:
    """Compile our forms and two plain ones in JAX."""
    inputs = [jax.device_put(x) for x in arrays(steps)]
    ways: dict[str, Callable[..., Array]] = {
        "sequential": lambda *x: selective_scan(*x, method="sequential"),
        "chunked": lambda *x: selective_scan(*x, method="chunked", segments=16),
        "JAX associative": associative,
        "JAX loop": plain,
    }
    forms = []
    for name, way in ways.items():
        if not within(name, steps, gradients):
            continue

        def total(*x: Array, way: Callable[..., Array] = way) -> Array:
            return way(*x).sum()

        since = time.monotonic()
        program = jax.jit(jax.grad(total, argnums=tuple(range(6))) if gradients else way)
        compiled = program.lower(*inputs).compile()
        took = time.monotonic() - since
        needs: Any = compiled.memory_analysis()
        memory = (needs.temp_size_in_bytes + needs.output_size_in_bytes) / 1e6
        forms.append(Form(name, lambda c=compiled: jax.block_until_ready(c(*inputs)), took, memory))
    return forms


def arrays(steps: int) -> list[np.ndarray]:
    """Make random inputs of the sizes in the network: u, delta, A, B, C, D."""
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
    """Scan by a parallel prefix over the whole length; holds all states at once."""

    def join(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
        return second[0] * first[0], second[0] * first[1] + second[1]

    decay = jnp.exp(delta[..., None] * A)
    drive = (delta * u)[..., None] * B[..., None, :]
    _, states = lax.associative_scan(join, (decay, drive), axis=1)
    return (states * C[..., None, :]).sum(-1) + D * u


def plain(u: Array, delta: Array, A: Array, B: Array, C: Array, D: Array) -> Array:
    """Scan step by step, with the gradient that JAX derives."""

    def step(h: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        u, delta, B, C = x
        h = jnp.exp(delta[..., None] * A) * h + (delta * u)[..., None] * B[..., None, :]
        return h, (h * C[..., None, :]).sum(-1)

    start = jnp.zeros((u.shape[0], *A.shape), u.dtype)
    _, y = lax.scan(step, start, [jnp.moveaxis(x, 1, 0) for x in (u, delta, B, C)])
    return jnp.moveaxis(y, 0, 1) + D * u


def of_torch(steps: int, gradients: bool) -> list[Form]:
    """Prepare two plain forms in PyTorch, if it is installed."""
    if importlib.util.find_spec("torch") is None:
        return []
    forms = []
    for name in ("PyTorch loop", "PyTorch prefix"):
        if within(name, steps, gradients):
            words = [sys.executable, __file__, "--grow", name, str(steps), str(gradients)]
            grown = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout
            forms.append(Form(name, in_torch(name, steps, gradients), 0.0, float(grown) / 1e6))
    return forms


def in_torch(name: str, steps: int, gradients: bool) -> Callable[[], Any]:
    """Prepare a form in PyTorch."""
    import torch
    import torch_scan

    way = {"PyTorch loop": torch_scan.loop, "PyTorch prefix": torch_scan.prefix}[name]
    inputs = [torch.tensor(x, requires_grad=gradients) for x in as_published(arrays(steps))]

    def run() -> Any:
        if gradients:
            return torch.autograd.grad(way(*inputs).sum(), inputs)
        with torch.no_grad():
            return way(*inputs)

    return run


def as_published(inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Reorder axes as in public implementations, which `torch_scan` follows."""
    u, delta, A, B, C, D = inputs
    u, delta = (x.reshape(*x.shape[:2], -1).swapaxes(1, 2).copy() for x in (u, delta))
    B, C = (x.transpose(0, 2, 3, 1).copy() for x in (B, C))
    return [u, delta, A.reshape(-1, A.shape[-1]), B, C, D.reshape(-1)]


def growth(name: str, steps: int, gradients: bool) -> int:
    """Measure the bytes by which running a form grows this process; on Linux alone."""
    in_torch(name, 8, gradients)()  # a small call first: some memory comes with any first call
    run = in_torch(name, steps, gradients)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # reset the peak resident memory
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def resident(field: str) -> int:
    """Return the bytes of a field of this process's memory status."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024


def exponential() -> float:
    """Measure the seconds of one exponential, on all cores."""
    x = jax.device_put(-np.random.default_rng(0).random(1 << 16, np.float32))
    loop = jax.jit(lambda x: lax.fori_loop(0, 400, lambda _, y: jnp.exp(-y), x))
    jax.block_until_ready(loop(x))
    since = time.monotonic()
    jax.block_until_ready(loop(x))
    return (time.monotonic() - since) / (400 * x.size)


if __name__ == "__main__":
    main()
