"""What a tile costs in ColorMamba's generator at its published width, and in the paper's of ours.

    DEVICES=1 launch/cpu.sh python benchmarks/colormamba.py [--published DIR]

A row for each network and batch of 256x256 tiles, each in a process of its own: seconds to compile,
median seconds of a tile, seconds of a megapixel, the most memory that the process held (resident),
and the time of a tile to that of the first row. Weights are random. "With gradients" is the
derivative of the mean square of what comes out in all parameters, in train mode.

With a clone of the published code, and PyTorch, OpenCV and einops installed, two more rows are
that code, with its scan as a loop and as a parallel prefix (`torch_scan`).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haqagen_jax import paper
from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models.factory import count_parameters, generator_shapes, make_generator

NETWORKS = {
    "ColorMamba": ModelConfig(architecture="colormamba", hsv_width=32),
    "paper": ModelConfig(),
}
GRADIENTS = ", with gradients"
ROWS = [("ColorMamba", 1), ("ColorMamba", 4), ("paper", 1)]
ROWS += [("ColorMamba" + GRADIENTS, 1), ("paper" + GRADIENTS, 1)]
PUBLISHED = [("PyTorch, loop", 1), ("PyTorch, prefix", 1)]
HEAD = ("network", "parameters", "batch", "compile, s", "s a tile", "s a megapixel", "peak, GB")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--published", type=Path, metavar="DIR", help="a clone of that code")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "BATCH"), help="a row's process")
    args = parser.parse_args()
    if args.one:
        name, batch = args.one[0], int(args.one[1])
        torch = name.startswith("PyTorch")
        row = measure_torch(name, args.published) if torch else measure(name, batch, args.rounds)
        print(json.dumps(row))
        return
    print(f"| {' | '.join(HEAD)} | to the first |")
    print("|---|" + "--:|" * len(HEAD), flush=True)
    first = None
    for network, batch in ROWS + (PUBLISHED if args.published else []):
        row, peak = run(network, batch, args.rounds, args.published)
        each = row["seconds"] / batch
        first = first or each
        megapixel = each * 2**20 / paper.PATCH**2
        cells = [network, f"{row['parameters']:,}", str(batch), f"{row['compile']:.0f}"]
        cells += [f"{each:.2f}", f"{megapixel:.1f}", f"{peak / 1e9:.2f}", f"{each / first:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def run(
    network: str, batch: int, rounds: int, published: Path | None
) -> tuple[dict[str, Any], int]:
    """Measure a row in a process of its own; return it and the peak resident memory in bytes."""
    words = [sys.executable, __file__, "--rounds", str(rounds), "--one", network, str(batch)]
    words += ["--published", str(published)] if published else []
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{network}: ended with {status}")
    return json.loads(output), usage.ru_maxrss * 1024


def measure(name: str, batch: int, rounds: int) -> dict[str, Any]:
    """Time one of our networks on a batch of tiles."""
    model = NETWORKS[name.removesuffix(GRADIENTS)]
    shapes = generator_shapes(model)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda x: jax.device_put(0.05 * np.abs(rng.standard_normal(x.shape, np.float32))), shapes
    )
    nir = jax.device_put(rng.random((batch, paper.PATCH, paper.PATCH, 1), np.float32))
    since = time.monotonic()
    apply: Any = make_generator(model).apply

    def gradients(variables: Any, nir: jax.Array) -> Any:
        def loss(params: Any) -> jax.Array:
            mutable = ["batch_stats", "spectral"]
            out, _ = apply({**variables, "params": params}, nir, train=True, mutable=mutable)
            return sum((jnp.square(x).mean() for x in out), jnp.zeros(()))

        return jax.grad(loss)(variables["params"])

    program = jax.jit(gradients if name.endswith(GRADIENTS) else apply)
    compiled = program.lower(variables, nir).compile()
    compiling = time.monotonic() - since
    return {
        "compile": compiling,
        "seconds": seconds(lambda: jax.block_until_ready(compiled(variables, nir)), rounds),
        "parameters": count_parameters(shapes["params"]),
    }


def measure_torch(name: str, clone: Path) -> dict[str, Any]:
    """Time the published network on one tile."""
    import published
    import torch

    network = published.generator(clone, name.removeprefix("PyTorch, "))
    images = published.inputs(1)
    with torch.no_grad():
        taken = seconds(lambda: network(*images), 2)
    count = sum(x.numel() for x in network.parameters())
    return {"compile": 0.0, "seconds": taken, "parameters": count}


def seconds(call: Callable[[], Any], rounds: int) -> float:
    """Measure the median time of a call, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        since = time.monotonic()
        call()
        times.append(time.monotonic() - since)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
