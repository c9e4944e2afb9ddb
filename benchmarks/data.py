"""How fast training samples come: 256x256 crops from 1024x768 pairs of 16-bit TIFF.

    python benchmarks/data.py

Each row is one way to read the same pairs: image files or ArrayRecord, with 0, 1 or 2 worker
processes; in the first epoch, when every picture is decoded and prepared, and in later ones, when
those that fit into memory are prepared already. The ratio is to decoding alone: both images of a
pair, one after another, in one thread, with the same libraries, in the same run. The first batch
of a stream, which starts the workers, is not counted.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from haqagen_jax.config import DataConfig
from haqagen_jax.data import build
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.data.pipeline import train_iterator
from haqagen_jax.data.synthetic import Depth, write_pairs

SIZE = (768, 1024)
BATCH = 8


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=48, metavar="N", help="default: %(default)s")
    count = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        for split, number in (("train", count), ("val", 1), ("test", 1)):
            options = {"sizes": [SIZE], "depths": [Depth.TIFF_16], "seed": 0}
            write_pairs(files / split, count=number, **options)
        records = build.build("pairs", Path(scratch) / "sets", raw=files)
        alone = decoding_alone(split_pairs([files], "train"))
        print(f"decoding alone: {alone:.1f} pairs/s\n")
        print("| source | workers | first epoch, samples/s | ratio | later epochs | ratio |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, place in (("TIFF", files), ("ArrayRecord", records)):
            for workers in (0, 1, 2):
                first, later = stream(split_pairs([place], "train"), workers)
                print(
                    f"| {name} | {workers} | {first:.1f} | {first / alone:.2f} | {later:.1f} | "
                    f"{later / alone:.2f} |",
                    flush=True,
                )


def decoding_alone(pairs: Sequence[Pair]) -> float:
    """Returns pairs a second."""
    for pair in pairs:  # into the system's cache of files
        pair.encoded()
    start = time.perf_counter()
    for pair in pairs:
        decode_pair(pair.encoded())
    return len(pairs) / (time.perf_counter() - start)


def stream(pairs: Sequence[Pair], workers: int) -> tuple[float, float]:
    """Returns samples a second in the first epoch and in later ones."""
    batches = train_iterator(pairs, DataConfig(workers=workers), batch_size=BATCH, seed=0)
    next(batches)
    first = _rate(batches, len(pairs) // BATCH - 1)
    for _ in range(2 * max(1, workers) * len(pairs) // BATCH):  # until each worker has seen all
        next(batches)
    return first, _rate(batches, 3 * len(pairs) // BATCH)


def _rate(batches: Iterator[object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * BATCH / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
