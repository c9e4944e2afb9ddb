"""What the CDF term costs beside a training step.

    DEVICES=1 launch/cpu.sh python benchmarks/losses.py [--size small paper]

A row for each number of bins and kernel, forward and with the gradient in the prediction, on 16
pairs of 256x256x3: median seconds, temporaries to the bytes of the 16 predictions, and the time of
a pair, for both color spaces, to that of a training step of an image, measured in the same run.
"""

import argparse
import statistics
import time
from typing import Any

import jax
import numpy as np
import train

from haqagen_jax import paper
from haqagen_jax.losses import cdf_l1

IMAGES = 16
SPACES = 2  # RGB and HSV have a term each
BATCH = {"small": 4, "paper": 1}  # of a step
HEAD = ("kernel", "bins", "what", "s", "temporaries to images")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", nargs="+", choices=BATCH, default=["paper"], help="of a step")
    args = parser.parse_args()
    steps = [
        float(train.measure(size, BATCH[size], 1, "auto", None)[1]) / BATCH[size]
        for size in args.size
    ]
    rng = np.random.default_rng(0)
    shape = (IMAGES, paper.PATCH, paper.PATCH, 3)
    pair = [jax.device_put(rng.random(shape, np.float32)) for _ in range(2)]
    head = [*HEAD, *(f"of a step of {size}" for size in args.size)]
    print(f"| {' | '.join(head)} |\n|---|--:|---|" + "--:|" * (len(head) - 3), flush=True)
    for kernel in ("triangular", "logistic"):
        for bins in (64, 256):
            for gradient in (False, True):
                taken, temporaries = measure(kernel, bins, gradient, pair, args.rounds)
                cells = [kernel, str(bins), "with gradient" if gradient else "forward"]
                cells += [f"{taken:.3f}", f"{temporaries / pair[0].nbytes:.2f}"]
                cells += [f"{SPACES * taken / IMAGES / step:.1%}" for step in steps]
                print(f"| {' | '.join(cells)} |", flush=True)


def measure(
    kernel: str, bins: int, gradient: bool, pair: list[jax.Array], rounds: int
) -> tuple[float, int]:
    """Measure median seconds, and bytes of temporaries."""

    def total(prediction: jax.Array, target: jax.Array) -> jax.Array:
        return cdf_l1(prediction, target, bins=bins, kernel=kernel).sum()

    program: Any = jax.jit(jax.grad(total) if gradient else total).lower(*pair).compile()
    times = []
    for _ in range(rounds + 1):
        since = time.monotonic()
        jax.block_until_ready(program(*pair))
        times.append(time.monotonic() - since)
    return statistics.median(times[1:]), program.memory_analysis().temp_size_in_bytes


if __name__ == "__main__":
    main()
