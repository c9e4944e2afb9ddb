"""What coloring costs: time a tile and beside the network, and memory.

    launch/cpu.sh python benchmarks/infer.py            # speed
    python benchmarks/infer.py --memory sliding         # peak resident memory, takes minutes
    python benchmarks/infer.py --memory photograph      # an image that is seen as a whole
    python benchmarks/infer.py --memory mosaic          # one that is seen in windows, at its scale

Speed: a row for each model, on one image of 3 x 3 or more tiles; the network alone on the same
tiles is interleaved with the whole engine, and what the engine adds is its share of the time.
Memory: coloring tiled TIFF files with the gray baseline, against the formula that `band` states;
what the smallest image needs beyond it counts as the program's own.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import tifffile

import haqagen_jax
from haqagen_jax.batch.report import Outcome
from haqagen_jax.batch.run import color
from haqagen_jax.config.load import load_config
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.detail import COEFFICIENTS
from haqagen_jax.inference.settings import Settings
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.models.baselines import CONFIG, Gray
from haqagen_jax.models.factory import init_generator, make_generator

SETTINGS = Settings(mode="sliding")
SPEED = ("model", "tiles", "s a tile", "s a megapixel", "network alone, s a tile", "engine's share")
WHOLE = Settings(detail="network")  # what the guided layer's fit adds is the same for all sizes
FILE_TILE = 256  # of what is read and written, pixels
KINDS = ("sliding", "photograph", "mosaic")
PLACE = [(33550, 12, 3, (1.0, 1.0, 0.0), True)]  # a pixel's size on the ground makes a mosaic
MEMORY = ("megapixels", "size", "seconds", "peak, MB", "formula, MB", "to formula")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", nargs="+", default=["grey", "small", "paper"])
    parser.add_argument("--side", nargs="+", type=int, default=[4700, 700, 700], help="of each")
    parser.add_argument("--rounds", nargs="+", type=int, default=[5, 3, 1], help="of each")
    parser.add_argument("--memory", choices=KINDS, help="measure that instead")
    parser.add_argument("--megapixels", nargs="+", type=int, default=[1, 64])
    parser.add_argument("--one", nargs=2, help="color one file; what is measured")
    args = parser.parse_args()
    if args.one:
        color_one(args.memory, *args.one)
        return
    head = MEMORY if args.memory else SPEED
    print(f"| {' | '.join(head)} |\n|---|" + "--:|" * (len(head) - 1), flush=True)
    if args.memory:
        memory(args.memory, [round(1024 * n**0.5) for n in args.megapixels])
        return
    for name, side, rounds in zip(args.model, args.side, args.rounds, strict=True):
        print(f"| {name} | {' | '.join(speed(load(name), side, rounds))} |", flush=True)


def load(name: str) -> Colorizer:
    """Load a baseline or the bundled model, or make one of another size with random weights."""
    if name == "grey":
        return Colorizer(Gray(), {}, load_config("configs/haqagen.py:tiny"), settings=SETTINGS)
    if name == "small":
        return haqagen_jax.load("small", SETTINGS)
    config = load_config(f"configs/haqagen.py:{name}")
    variables = jax.jit(lambda key: init_generator(key, config.model))(jax.random.key(0))
    return Colorizer(make_generator(config.model), variables, config, settings=SETTINGS)


def speed(model: Colorizer, side: int, rounds: int) -> list[str]:
    """Measure the cells of one model on an image of `side` x `side` pixels."""
    nir = np.random.default_rng(0).integers(0, 65_536, (side, side), dtype=np.uint16)
    plan = TilePlan(side, side, SETTINGS.tile, SETTINGS.stride)
    predictor, batch = model._predictor, model._predictor.batch
    shape = (batch, plan.tile, plan.tile, 1)
    tiles = np.random.default_rng(0).random(shape, dtype=np.float32)
    calls = -(-len(plan) // batch)

    def alone() -> None:
        running = predictor(tiles)
        for _ in range(calls - 1):  # as the engine does: the next starts while the last is read
            running, last = predictor(tiles), running
            predictor.fetch(last)
        predictor.fetch(running)

    def engine() -> None:
        model.colorize(nir)

    alone()
    times: dict[object, list[float]] = {alone: [], engine: []}
    for _ in range(rounds):
        for work in (alone, engine):
            start = time.perf_counter()
            work()
            times[work].append(time.perf_counter() - start)
    network, total = statistics.median(times[alone]), statistics.median(times[engine])
    each = total / len(plan)
    megapixel = total / (side * side / 1e6)
    share = f"{100 * (1 - network / total):.1f} %"
    return [
        *(f"{len(plan)}", f"{each:.3g}", f"{megapixel:.3g}"),
        *(f"{network / len(plan):.3g}", share),
    ]


def memory(kind: str, sides: list[int]) -> None:
    """Measure and print a row for a square image of each side."""
    own = None
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            source, target = Path(folder, "a.tif"), Path(folder, "b.tif")
            tifffile.imwrite(
                source, tiles(side), shape=(side, side), dtype="uint8", tile=(FILE_TILE, FILE_TILE),
                photometric="minisblack", compression="zlib", metadata=None,
                extratags=PLACE if kind == "mosaic" else [],
            )  # fmt: skip
            start = time.perf_counter()
            peak = run(kind, str(source), str(target)) / 1e6
            seconds = time.perf_counter() - start
            needs = band(kind, side) / 1e6
            own = peak - needs if own is None else own
            formula = own + needs
            cells = f"{side * side / 2**20:.0f}", f"{side}x{side}", f"{seconds:.0f}", f"{peak:.0f}"
            print(f"| {' | '.join(cells)} | {formula:.0f} | {peak / formula:.2f} |", flush=True)
            target.unlink()


def tiles(side: int) -> Iterator[np.ndarray]:
    """Yield tiles of compressible noise, each of another brightness."""
    noise = np.random.default_rng(0).integers(0, 100, (FILE_TILE, FILE_TILE), dtype=np.uint8) // 8
    for number in range((-(-side // FILE_TILE)) ** 2):
        yield noise + np.uint8(number * 37 % 240)


def band(kind: str, width: int) -> int:
    """Compute the bytes that the rows of one 8-bit image take while it streams.

    At the network's size: the blended band and two copies of its finished rows, and three prepared
    bands of NIR. At the file's size: two rows of tiles for each reader, and two of the output's.
    """
    if kind == "sliding":
        size, tile, stride, channels, readers = width, SETTINGS.tile, SETTINGS.stride, 3, 1
    else:
        tile, channels, readers = WHOLE.size, COEFFICIENTS, 2
        size, stride = (width, tile // 2) if kind == "mosaic" else (tile, tile)
    network = size * (4 * channels * (tile + 2 * stride) + 3 * 4 * tile)
    return network + width * (readers * 2 * FILE_TILE + 2 * 3 * FILE_TILE)


def color_one(kind: str, source: str, target: str) -> None:
    """Color one file with the gray baseline."""
    settings = SETTINGS if kind == "sliding" else WHOLE
    outcome = Outcome(source, target)
    color(Colorizer(Gray(), {}, CONFIG, settings=settings), [outcome], progress=False)
    if outcome.status != "coloured":
        sys.exit(outcome.message)


def run(kind: str, source: str, target: str) -> int:
    """Color one file in a process of its own; return its peak resident memory in bytes."""
    program = [sys.executable, __file__, "--memory", kind, "--one", source, target]
    process = subprocess.Popen(program)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(program)}: ended with {status}")
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
