"""Streams of pairs: endless shuffled training batches, and evaluation batches that count once.

Arrays are numpy float32 in [0, 1], channels last. A training sample depends on the seed, the epoch
and its record only, and the order of an epoch on the seed and the epoch. So any batch can be
rebuilt, and the stream resumes exactly, on any number of processes or workers. Not handled: images
larger than memory.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grain
import numpy as np
from absl import flags
from jaxtyping import Bool, Float

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data import records, transforms
from haqagen_jax.data.pair import Pair
from haqagen_jax.nir.network_input import channels
from haqagen_jax.types import Batch

THREADS = 8  # at most, in each process that reads: more would wait for Python's lock


class EvaluationBatch(NamedTuple):
    """Central crops; those where `real` is False fill the batch up and count for nothing."""

    nir: Float[np.ndarray, "b crop crop c"]
    rgb: Float[np.ndarray, "b crop crop 3"]
    real: Bool[np.ndarray, " b"]


class TrainIterator:
    """Endless training batches; `get_state` is a small JSON value that `set_state` takes back."""

    def __init__(self, batches: grain.experimental.ElasticIterator):
        self._batches = batches

    def __iter__(self) -> "TrainIterator":
        return self

    def __next__(self) -> Batch:
        return Batch(**next(self._batches))

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream, equal on every process."""
        return self._batches.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go to a position; the next batch is the one that followed it."""
        self._batches.set_state(state)


def train_iterator(
    pairs: Sequence[Pair], data: DataConfig, *, batch_size: int, seed: int
) -> TrainIterator:
    """Stream random crops of pairs, reshuffled every epoch, without end.

    Args:
        pairs: at least one.
        data: preprocessing and augmentation.
        batch_size: global; every process gets its share, and must divide it.
        seed: 0 or more; decides order and augmentation.

    Returns:
        An iterator of `Batch` with nir (b, crop, crop, c) and rgb (b, crop, crop, 3).

    Raises:
        InputError: from the iterator, when a file cannot be decoded or holds no image.
    """
    shards = grain.sharding.ShardByJaxProcess()
    return TrainIterator(_batches(pairs, data, batch_size=batch_size, seed=seed, shards=shards))


def batch_names(pairs: Sequence[Pair], *, batch_size: int, seed: int, step: int) -> list[str]:
    """Tell which pairs were in a training batch.

    Args:
        pairs: those of `train_iterator`.
        batch_size: global.
        seed: of the stream.
        step: 1 for the first batch.

    Returns:
        Their names, in the order of the batch.
    """
    order: Any = _order(pairs, seed)
    return [pairs[order[i]].name for i in range((step - 1) * batch_size, step * batch_size)]


def _order(pairs: Sequence[Pair], seed: int) -> grain.MapDataset:
    """Positions in the stream to indices of pairs."""
    return grain.MapDataset.range(len(pairs)).seed(seed).shuffle().repeat()


def _batches(
    pairs: Sequence[Pair],
    data: DataConfig,
    *,
    batch_size: int,
    seed: int,
    shards: grain.sharding.ShardOptions,
) -> grain.experimental.ElasticIterator:
    prepared = records.PairCache(pairs, functools.partial(records.prepare, data=data))
    # The position counts on through the epochs, over all processes: this is before slicing.
    samples = _order(pairs, seed).map_with_index(
        functools.partial(_sample, prepared, data=data, seed=seed)
    )
    return read_in_batches(samples, batch_size, workers=data.workers, shards=shards)


def read_in_batches(
    samples: grain.MapDataset,
    batch_size: int,
    *,
    workers: int,
    shards: grain.sharding.ShardOptions,
) -> grain.experimental.ElasticIterator:
    """Read samples ahead of their use, on all cores of the machine.

    Args:
        samples: by position; no filters.
        batch_size: global; every process gets its share, and must divide it.
        workers: processes that read; 0 for threads of this one.
        shards: which of how many processes this is.

    Returns:
        An iterator of stacked samples whose state does not depend on processes or workers.
    """
    if workers and not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags, which only absl.app parses
    threads = min(THREADS, max(1, (os.cpu_count() or 1) // max(1, workers)))
    return grain.experimental.ElasticIterator(
        samples,
        batch_size,
        shards,
        # A thread makes a whole batch, and the buffer counts batches: Grain's default of 500 would
        # fill the memory, and fewer than the threads would let some rest.
        read_options=grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2, threads)),
        multiprocessing_options=(
            grain.MultiprocessingOptions(num_workers=workers) if workers else None
        ),
    )


def _sample(
    prepared: records.PairCache[records.PreparedPair],
    position: int,
    record: int,
    *,
    data: DataConfig,
    seed: int,
) -> dict[str, np.ndarray]:
    """Crop and augment a prepared pair: one training sample."""
    rng = np.random.default_rng((seed, position // len(prepared), record))
    nir, rgb = transforms.augment(prepared[record].random_part(rng, data), rng, data)
    return _as_sample(nir, rgb, data)


def _as_sample(nir: np.ndarray, rgb: np.ndarray, data: DataConfig) -> dict[str, np.ndarray]:
    """Name what a network sees "nir" and what it learns "rgb", whichever way it translates."""
    if data.linear:
        rgb = transforms.srgb_to_linear(rgb)
    if data.direction == "rgb_to_nir":
        nir, rgb = rgb, np.repeat(nir[..., :1], 3, axis=-1)
    return {"nir": np.ascontiguousarray(nir), "rgb": np.ascontiguousarray(rgb)}


class EvaluationBatches:
    """The central crop of every pair, after the training's clamp, in batches of one size.

    Every iteration goes through all pairs once, and has to be taken to its end. Pairs are decoded
    ahead, where training batches are, and stay in memory while there is room.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        data: DataConfig,
        *,
        batch_size: int,
        shards: grain.sharding.ShardOptions | None = None,
    ) -> None:
        """Plan the batches; nothing is read before the first one.

        Args:
            pairs: any number, the same on every process.
            data: preprocessing and the side of the crop.
            batch_size: global; every process gets its share, and must divide it.
            shards: which of how many processes this is; by default as JAX has it.
        """
        self._length = -(-len(pairs) // batch_size)
        crops = records.PairCache(pairs, functools.partial(records.central, data=data))
        samples = grain.MapDataset.range(self._length * batch_size).repeat()
        self._batches = read_in_batches(
            samples.map(functools.partial(_held_out, crops, data=data)),
            batch_size,
            workers=data.workers,
            shards=grain.sharding.ShardByJaxProcess() if shards is None else shards,
        )

    def __iter__(self) -> Iterator[EvaluationBatch]:
        """Yield this process's batches; over all processes every pair is `real` exactly once.

        Raises:
            InputError: a file cannot be decoded or holds no image.
        """
        for _ in range(self._length):
            yield EvaluationBatch(**next(self._batches))


def _held_out(
    crops: records.PairCache[np.ndarray], index: int, *, data: DataConfig
) -> dict[str, np.ndarray]:
    """Turns a central crop into an evaluation sample; past the last one it is blank."""
    real = index < len(crops)
    planes = channels(data)
    crop = crops[index] if real else np.zeros((data.crop, data.crop, planes + 3), np.float32)
    sample = _as_sample(crop[..., :planes], crop[..., planes:], data)
    return {**sample, "real": np.asarray(real)}
