"""How fast training samples come: 256x256 crops from 1024x768 pairs of 16-bit TIFF.

    python benchmarks/data.py

Each row is one way to read the same pairs: image files or ArrayRecord, with 0, 1 or 2 worker
processes; in the first epoch, when every image is decoded and prepared, and in later ones, when
those that fit into memory are prepared already. The ratios are to decoding alone, both images of
a pair with the same libraries: in one thread ("thread"), and by the same threads and workers as the
row's ("same"), each measured beside the row that it is for. The first batch of a stream, which
starts the workers, is not counted.
"""

import argparse
import functools
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grain
import numpy as np

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data import build
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.data.pipeline import read_in_batches, train_iterator
from haqagen_jax.data.rendered import Depth, write_pairs

SIZE = (768, 1024)
BATCH = 8


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=96, metavar="N", help="default: %(default)s")
    count = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        for split, number in (("train", count), ("val", 1), ("test", 1)):
            options = {"sizes": [SIZE], "depths": [Depth.TIFF_16], "seed": 0}
            write_pairs(files / split, count=number, **options)
        records = build.build("pairs", Path(scratch) / "sets", raw=files)
        print(
            "| source | workers | decoding, pairs/s: thread | same | first epoch, samples/s |",
            end="",
        )
        print(" to thread | to same | later epochs | to thread | to same |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
        for name, directory in (("TIFF", files), ("ArrayRecord", records)):
            for workers in (0, 2):
                _row(name, split_pairs([directory], "train"), workers)


def _row(source: str, pairs: Sequence[Pair], workers: int) -> None:
    decode = functools.partial(_decode, pairs)
    for index in range(len(pairs)):  # read once, into the system's cache of files
        pairs[index].encoded()
    thread = _rate(map(decode, range(len(pairs))), len(pairs))
    alone = read_in_batches(
        grain.MapDataset.range(len(pairs)).repeat().map(decode),
        BATCH,
        workers=workers,
        shards=grain.sharding.NoSharding(),
    )
    next(alone)
    same = BATCH * _rate(alone, len(pairs) // BATCH - 1)
    alone.close()
    batches = train_iterator(pairs, DataConfig(workers=workers), batch_size=BATCH, seed=0)
    next(batches)
    first = BATCH * _rate(batches, len(pairs) // BATCH - 1)
    for _ in range(2 * max(1, workers) * len(pairs) // BATCH):  # until each worker has seen all
        next(batches)
    later = BATCH * _rate(batches, 3 * len(pairs) // BATCH)
    rates = [f"{first:.0f}", f"{first / thread:.2f}", f"{first / same:.2f}"]
    rates += [f"{later:.0f}", f"{later / thread:.2f}", f"{later / same:.2f}"]
    print(f"| {source} | {workers} | {thread:.0f} | {same:.0f} | {' | '.join(rates)} |", flush=True)


def _decode(pairs: Sequence[Pair], index: int) -> np.ndarray:
    """Decode both images; return two pixels alone, so that no images go between processes."""
    nir, rgb = decode_pair(pairs[index].encoded())
    return np.array([nir[0, 0], rgb[0, 0, 0]], np.float32)


def _rate(stream: Iterator[object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        next(stream)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
