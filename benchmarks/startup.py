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
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(rounds):
            for name, words in commands(Path(folder), index).items():
                times.setdefault(name, []).append(seconds(words, Path(folder, str(index))))
    print(f"| {' | '.join(HEAD)} |\n|---|" + "--:|" * (len(HEAD) - 1))
    importing = statistics.median(times["import jax"])
    for name, taken in times.items():
        median = statistics.median(taken)
        cells = [*(f"{x:.2f}" for x in (median, min(taken), max(taken), median / importing))]
        print(f"| {name} | {' | '.join(cells)} |")


def commands(directory: Path, index: int) -> dict[str, list[str]]:
    """Return the command lines of one round, in the order in which they run."""
    image = directory / "nir.tif"
    rng = np.random.default_rng(0)
    tifffile.imwrite(image, rng.integers(0, 256, (paper.PATCH, paper.PATCH), np.uint8))
    haqagen = [sys.executable, "-m", "haqagen_jax"]
    colorize = [*haqagen, "colorize", str(image), "--overwrite"]
    colorize += ["-o", str(directory / f"{index}.png")]
    return {
        "import jax": [sys.executable, "-c", "import jax"],
        "haqagen --help": [*haqagen, "--help"],
        "one tile, first": colorize,
        "one tile, later": colorize,
    }


def seconds(words: list[str], cache: Path) -> float:
    """Measure how long a process takes, with its own cache directory."""
    environment = {**os.environ, "HAQAGEN_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    since = time.monotonic()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.monotonic() - since


if __name__ == "__main__":
    main()
