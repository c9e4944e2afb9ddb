"""What a training step costs beside the generator's forward pass, on one device.

    DEVICES=1 launch/cpu.sh python benchmarks/train.py

A row for each size of configs/haqagen.py: seconds and images/s of a step, memory of its compiled
program (arguments and temporaries), and the ratios of both to those of the forward pass, of the
same batch, interleaved. The texture autoencoder takes part, with random weights; VGG-19 only
with --vgg.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from haqagen_jax import paper
from haqagen_jax.config.load import load_config
from haqagen_jax.models.factory import make_generator
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.run.frozen import vgg_features
from haqagen_jax.train.precision import compute_dtype
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

HEAD = ("size", "batch", "precision", "step, s", "images/s", "forward, s", "step to forward")
HEAD += ("step, GB", "forward, GB", "step to forward")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", nargs="+", default=["small", "paper"])
    parser.add_argument("--batch", nargs="+", type=int, default=[4, 1], help="of each size")
    parser.add_argument("--rounds", nargs="+", type=int, default=[3, 2], help="of each size")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--vgg", help="torchvision's VGG-19; without, the term is left out")
    args = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("|---|--:|---|" + "--:|" * (len(HEAD) - 3), flush=True)
    for size, batch, rounds in zip(args.size, args.batch, args.rounds, strict=True):
        row = measure(size, batch, rounds, args.precision, args.vgg)
        print(f"| {size} | {batch} | {' | '.join(row)} |", flush=True)


def measure(size: str, batch: int, rounds: int, precision: str, vgg: str | None) -> list[str]:
    """Measure the cells of one size."""
    config = load_config(f"configs/haqagen.py:{size}")
    if vgg is None:
        config = dataclasses.replace(config, loss=dataclasses.replace(config.loss, delta=0.0))
    dtype = compute_dtype(precision)
    f = TextureAutoencoder()
    weights = jax.jit(f.init)(jax.random.key(1), jnp.zeros((1, 16, 16, 3)))
    state = jax.jit(lambda key: create_state(key, config, steps=100, dtype=dtype))(
        jax.random.key(0)
    )
    rng, side = np.random.default_rng(0), paper.PATCH
    data = jax.device_put(Batch(*(rng.random((batch, side, side, c), np.float32) for c in (1, 3))))
    network = make_generator(config.model, dtype=dtype)

    def forward(variables: Any, nir: jax.Array) -> Any:
        return network.apply(variables, nir, train=True, mutable=["batch_stats", "spectral"])

    step = make_train_step(
        config,
        steps=100,
        texture=lambda image: f.apply(weights, image, method="encode"),  # pyright: ignore
        vgg=vgg_features(config.loss, vgg),
        dtype=dtype,
    )
    forward = jax.jit(forward).lower(state.generator, data.nir).compile()
    step = jax.jit(step, donate_argnums=0).lower(state, data).compile()
    memory = [gigabytes(compiled) for compiled in (step, forward)]
    times: list[list[float]] = [[], []]
    for i in range(rounds + 1):
        once = seconds(forward, state.generator, data.nir)[0]
        taken, (state, _) = seconds(step, state, data)
        if i:  # the first round warms up
            times[0].append(taken)
            times[1].append(once)
    step_time, forward_time = map(statistics.median, times)
    return [
        str(dtype),
        f"{step_time:.2f}",
        f"{batch / step_time:.2f}",
        f"{forward_time:.2f}",
        f"{step_time / forward_time:.1f}",
        f"{memory[0]:.2f}",
        f"{memory[1]:.2f}",
        f"{memory[0] / memory[1]:.1f}",
    ]


def gigabytes(compiled: Any) -> float:
    """Return the GB of a compiled program's arguments and temporaries."""
    needs = compiled.memory_analysis()
    return (needs.argument_size_in_bytes + needs.temp_size_in_bytes) / 1e9


def seconds(call: Callable[..., Any], *args: Any) -> tuple[float, Any]:
    """Measure the seconds of a call, and return its result, too."""
    since = time.monotonic()
    result = jax.block_until_ready(call(*args))
    return time.monotonic() - since, result


if __name__ == "__main__":
    main()
