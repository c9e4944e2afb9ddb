"""How soon the command answers: its help, and the first tile of the bundled model.

    python benchmarks/startup.py

A row for each: the median, least and most seconds of a whole process, and the median to that of a
process that imports JAX and ends. "First" is the start that compiles; the others find its programs
in the cache folder, which is a new one here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from haqagen_jax import paper

HEAD = ("what", "s", "least", "most", "to importing JAX")


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            for name, words in commands(Path(folder), turn).items():
                times.setdefault(name, []).append(seconds(words, Path(folder, str(turn))))
    print(f"| {' | '.join(HEAD)} |\n|---|" + "--:|" * (len(HEAD) - 1))
    importing = statistics.median(times["import jax"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        cells = [*(f"{x:.2f}" for x in (middle, min(taken), max(taken), middle / importing))]
        print(f"| {name} | {' | '.join(cells)} |")


def commands(folder: Path, turn: int) -> dict[str, list[str]]:
    """What is started, in this order."""
    picture = folder / "nir.tif"
    rng = np.random.default_rng(0)
    tifffile.imwrite(picture, rng.integers(0, 256, (paper.PATCH, paper.PATCH), np.uint8))
    haqagen = [sys.executable, "-m", "haqagen_jax"]
    one = [*haqagen, "colorize", str(picture), "--overwrite", "-o", str(folder / f"{turn}.png")]
    return {
        "import jax": [sys.executable, "-c", "import jax"],
        "haqagen --help": [*haqagen, "--help"],
        "one tile, first": one,
        "one tile, later": one,
    }


def seconds(words: list[str], cache: Path) -> float:
    """How long a process takes, with its own cache folder."""
    environment = {**os.environ, "HAQAGEN_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    since = time.monotonic()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.monotonic() - since


if __name__ == "__main__":
    main()
