"""What sharing a training step adds: work and bytes counted in the compiled program, not time.

    python benchmarks/scaling.py

A row for each number of virtual devices, all with the same global batch: of all devices together,
arithmetic and bytes read and written, and their ratio to one device's; and what each device
receives in collectives. Several devices are counted twice: with the state on each of them, and with
the state shared by all.
"""

import argparse
import dataclasses
import math
import os
import re

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import jax
import jax.numpy as jnp
import numpy as np

from haqagen_jax import paper
from haqagen_jax.config.load import load_config
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.train.sharding import make_mesh, place_batch, replicated, state_shardings
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

BYTES = {"f64": 8, "f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "pred": 1}
COLLECTIVES = r"all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
HEAD = ("devices", "fsdp", "TFLOP", "to one", "GB moved", "to one", "MB received")


def main() -> None:
    """Compile and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="tiny", help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=8, help="global; default: %(default)s")
    parser.add_argument("--devices", nargs="+", type=int, default=[8])
    args = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |")
    print("|" + "--:|" * len(HEAD), flush=True)
    single = None
    for count, fsdp in [(1, 1), *((many, n) for many in args.devices for n in (1, many))]:
        work, moved, received = count_costs(args.size, args.batch, count, fsdp)
        single = single or (work, moved)
        cells = [f"{work / 1e12:.3f}", f"{work / single[0]:.3f}"]
        cells += [f"{moved / 1e9:.1f}", f"{moved / single[1]:.3f}", f"{received / 1e6:.1f}"]
        print(f"| {count} | {fsdp} | {' | '.join(cells)} |", flush=True)


def count_costs(size: str, batch: int, devices: int, fsdp: int) -> tuple[float, float, float]:
    """Count FLOP and bytes moved on all devices together, and bytes that each receives."""
    config = load_config(f"configs/haqagen.py:{size}")
    train = dataclasses.replace(config.train, batch_size=batch, fsdp=fsdp)
    loss = dataclasses.replace(config.loss, delta=0.0)
    config = dataclasses.replace(config, train=train, loss=loss)
    mesh = make_mesh(config.train, jax.devices()[:devices])
    f = TextureAutoencoder()
    weights = jax.jit(f.init)(jax.random.key(1), jnp.zeros((1, 16, 16, 3)))
    shapes = jax.eval_shape(lambda key: create_state(key, config, steps=100), jax.random.key(0))
    shardings = state_shardings(shapes, mesh)
    step = jax.jit(
        make_train_step(
            config,
            steps=100,
            texture=lambda image: f.apply(weights, image, method="encode"),  # pyright: ignore
            vgg=None,
        ),
        donate_argnums=0,
        in_shardings=(shardings, None),
        out_shardings=(shardings, replicated(mesh)),
    )
    side = paper.PATCH
    data = Batch(*(np.zeros((batch, side, side, c), np.float32) for c in (1, 3)))
    compiled = step.lower(shapes, place_batch(data, mesh)).compile()
    cost = compiled.cost_analysis()
    received = sum(map(collective_bytes, compiled.as_text().splitlines()))
    return cost["flops"] * devices, cost["bytes accessed"] * devices, received


def collective_bytes(line: str) -> int:
    """Return the bytes of a collective's results; 0 for other instructions."""
    match = re.search(rf"= (.*?) (?:{COLLECTIVES})(?:-start)?\(", line)
    if not match:
        return 0
    shapes = re.findall(r"(\w+)\[([\d,]*)\]", match[1])
    return sum(
        BYTES[kind] * math.prod(map(int, filter(None, dims.split(",")))) for kind, dims in shapes
    )


if __name__ == "__main__":
    main()
