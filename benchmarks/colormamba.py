"""What a tile costs in ColorMamba's generator at its published width, and in the paper's of ours.

    DEVICES=1 launch/cpu.sh python benchmarks/colormamba.py

A row for each network and batch of 256x256 tiles, each in a process of its own: seconds to compile,
median seconds of a tile, seconds of a megapixel, the most memory that the process held (resident),
and the time of a tile to that of the first row. Weights are random.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import jax
import numpy as np

from haqagen_jax import paper
from haqagen_jax.config import ModelConfig
from haqagen_jax.models.factory import count_parameters, init_generator, make_generator

NETWORKS = {
    "ColorMamba": ModelConfig(architecture="colormamba", hsv_width=32),
    "paper": ModelConfig(),
}
ROWS = (("ColorMamba", 1), ("ColorMamba", 4), ("paper", 1))
HEAD = ("network", "parameters", "batch", "compile, s", "s a tile", "s a megapixel", "peak, GB")


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "BATCH"), help="a row's process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], int(args.one[1]), args.rounds)))
        return
    print(f"| {' | '.join(HEAD)} | to the first |")
    print("|---|" + "--:|" * len(HEAD), flush=True)
    first = None
    for network, batch in ROWS:
        found, peak = run(network, batch, args.rounds)
        each = found["seconds"] / batch
        first = first or each
        megapixel = each * 2**20 / paper.PATCH**2
        cells = [network, f"{found['parameters']:,}", str(batch), f"{found['compile']:.0f}"]
        cells += [f"{each:.2f}", f"{megapixel:.1f}", f"{peak / 1e9:.2f}", f"{each / first:.2f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def run(network: str, batch: int, rounds: int) -> tuple[dict[str, Any], int]:
    """Measures in a process of its own; returns what it found, and the bytes that it held."""
    words = [sys.executable, __file__, "--rounds", str(rounds), "--one", network, str(batch)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{network}: ended with {status}")
    return json.loads(said), usage.ru_maxrss * 1024


def measure(name: str, batch: int, rounds: int) -> dict[str, Any]:
    """Times one network."""
    model = NETWORKS[name]
    shapes = jax.eval_shape(lambda key: init_generator(key, model), jax.random.key(0))
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda x: jax.device_put(0.05 * np.abs(rng.standard_normal(x.shape, np.float32))), shapes
    )
    nir = jax.device_put(rng.random((batch, paper.PATCH, paper.PATCH, 1), np.float32))
    since = time.monotonic()
    apply = jax.jit(make_generator(model).apply).lower(variables, nir).compile()
    compiling = time.monotonic() - since
    times = []
    for _ in range(rounds + 1):  # the first one warms up
        since = time.monotonic()
        jax.block_until_ready(apply(variables, nir))
        times.append(time.monotonic() - since)
    return {
        "compile": compiling,
        "seconds": statistics.median(times[1:]),
        "parameters": count_parameters(shapes["params"]),
    }


if __name__ == "__main__":
    main()
