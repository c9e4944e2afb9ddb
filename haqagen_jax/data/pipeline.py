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
    """Central crops; those where `real` is False pad the batch to its size and must not count."""

    nir: Float[np.ndarray, "b crop crop c"]
    rgb: Float[np.ndarray, "b crop crop 3"]
    real: Bool[np.ndarray, " b"]


class TrainIterator:
    """Endless training batches; `get_state` returns a small JSON value that `set_state` accepts."""

    def __init__(self, batches: grain.experimental.ElasticIterator):
        self._batches = batches

    def __iter__(self) -> "TrainIterator":
        return self

    def __next__(self) -> Batch:
        return Batch(**next(self._batches))

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream.

        Returns:
            A JSON value, equal on every process.
        """
        return self._batches.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Go to a position of the stream.

        Args:
            state: What `get_state` returned; the next batch is the one that followed it.
        """
        self._batches.set_state(state)


def train_iterator(
    pairs: Sequence[Pair], data: DataConfig, *, batch_size: int, seed: int
) -> TrainIterator:
    """Stream augmented crops of pairs, reshuffled every epoch, without end. Deterministic.

    Args:
        pairs: Pairs, at least one.
        data: Preprocessing and augmentation.
        batch_size: Global batch size, which the number of processes must divide.
        seed: Decides order and augmentation, 0 or more.

    Returns:
        An iterator of `Batch` with nir (b, crop, crop, c) and rgb (b, crop, crop, 3).

    Raises:
        InputError: From the iterator, when a file cannot be decoded or holds no image.
    """
    shards = grain.sharding.ShardByJaxProcess()
    return TrainIterator(_batches(pairs, data, batch_size=batch_size, seed=seed, shards=shards))


def batch_names(pairs: Sequence[Pair], *, batch_size: int, seed: int, step: int) -> list[str]:
    """List the names of the pairs in a training batch.

    Args:
        pairs: The pairs that `train_iterator` was given.
        batch_size: Global batch size.
        seed: Seed of the stream.
        step: Number of the batch, 1 for the first.

    Returns:
        The names, in the order of the batch.
    """
    order: Any = _order(pairs, seed)
    return [pairs[order[i]].name for i in range((step - 1) * batch_size, step * batch_size)]


def _order(pairs: Sequence[Pair], seed: int) -> grain.MapDataset:
    """Map positions in the stream to indices of pairs."""
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
    # Samples are mapped before they are divided among processes, so that the position, which
    # decides the epoch and with it the augmentation, counts through all epochs and processes.
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
        samples: Samples by position in the stream; none may be filtered out.
        batch_size: Global batch size, which the number of processes must divide.
        workers: Number of processes that read; 0 for threads of this one.
        shards: Which of how many JAX processes this is.

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
    """Central crops of all pairs, after the clamp of training, in batches of one size.

    Every iteration goes through all pairs once, and has to be taken to its end. Pairs are decoded
    ahead, in the threads or processes that read, and stay in memory while there is room.
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
            pairs: Pairs, any number, the same on every process.
            data: Preprocessing and the side of the crop.
            batch_size: Global batch size, which the number of processes must divide.
            shards: Which of how many JAX processes this is; by default as JAX says.
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
            InputError: A file cannot be decoded or holds no image.
        """
        for _ in range(self._length):
            yield EvaluationBatch(**next(self._batches))


def _held_out(
    crops: records.PairCache[np.ndarray], index: int, *, data: DataConfig
) -> dict[str, np.ndarray]:
    """Return a central crop as an evaluation sample; past the last one it is blank."""
    real = index < len(crops)
    planes = channels(data)
    crop = crops[index] if real else np.zeros((data.crop, data.crop, planes + 3), np.float32)
    sample = _as_sample(crop[..., :planes], crop[..., planes:], data)
    return {**sample, "real": np.asarray(real)}
