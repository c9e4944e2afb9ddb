"""Streams of pairs: endless shuffled training batches, and whole images for evaluation.

Arrays are numpy float32 in [0, 1], channels last. A training sample depends on the seed, its
position in the stream and its record only, so any batch can be rebuilt and the stream resumes
exactly, on any number of processes or workers. Not handled: images larger than memory.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import grain
import numpy as np
from absl import flags
from jaxtyping import Float

from haqagen_jax.config import DataConfig
from haqagen_jax.data import records, transforms
from haqagen_jax.data.folder import Pair
from haqagen_jax.types import Batch


class Example(NamedTuple):
    """One whole preprocessed pair."""

    name: str
    nir: Float[np.ndarray, "h w 1"]
    rgb: Float[np.ndarray, "h w 3"]


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
        An iterator of `Batch` with nir (b, crop, crop, 1) and rgb (b, crop, crop, 3).

    Raises:
        InputError: from the iterator, when a file cannot be decoded or holds no picture.
    """
    shards = grain.sharding.ShardByJaxProcess()
    return TrainIterator(_batches(pairs, data, batch_size=batch_size, seed=seed, shards=shards))


def eval_examples(pairs: Sequence[Pair], data: DataConfig) -> Iterator[Example]:
    """Yield whole pairs at their native size, one by one, in order.

    Args:
        pairs: any number.
        data: its preprocessing applies; clamp, crops and augmentation do not.

    Yields:
        `Example` with nir (h, w, 1) and rgb (h, w, 3).

    Raises:
        InputError: a file cannot be decoded or holds no picture.
    """
    for pair in pairs:
        image = records.load(pair, data)
        yield Example(pair.name, image[..., :1], _transfer(image[..., 1:], data))


def _batches(
    pairs: Sequence[Pair],
    data: DataConfig,
    *,
    batch_size: int,
    seed: int,
    shards: grain.sharding.ShardOptions,
) -> grain.experimental.ElasticIterator:
    if data.workers and not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags, which only absl.app parses
    samples = (
        grain.MapDataset.source(records.Prepared(pairs, data))
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(functools.partial(_augment, data=data))  # before slicing: seeded by position
    )
    return grain.experimental.ElasticIterator(
        samples,
        batch_size,
        shards,
        # The buffer counts batches. Grain's default of 500 would fill the memory.
        read_options=grain.ReadOptions(num_threads=1, prefetch_buffer_size=2),
        multiprocessing_options=(
            grain.MultiprocessingOptions(num_workers=data.workers) if data.workers else None
        ),
    )


def _augment(
    image: np.ndarray, rng: np.random.Generator, *, data: DataConfig
) -> dict[str, np.ndarray]:
    """Turns a prepared pair into one training sample."""
    image = transforms.random_crop(image, rng, crop=data.crop, precrop=data.precrop)
    image = transforms.random_orientation(image, rng, flip=data.flip, rotate=data.rotate)
    factor = 1.0 + data.saturation * float(rng.uniform(-1.0, 1.0))
    image = image / records.FULL
    rgb = transforms.scale_saturation(image[..., 1:], factor)
    return {"nir": np.ascontiguousarray(image[..., :1]), "rgb": _transfer(rgb, data)}


def _transfer(rgb: np.ndarray, data: DataConfig) -> np.ndarray:
    return transforms.srgb_to_linear(rgb) if data.rgb_transfer == "linear" else rgb


def central_crops(
    pairs: Sequence[Pair], data: DataConfig, *, batch_size: int
) -> Iterator[tuple[Batch, int]]:
    """Yield the central crop of every pair, after the training's clamp, in batches of one size.

    Args:
        pairs: any number.
        data: preprocessing and the side of the crop.
        batch_size: of every batch; the last is filled up with copies of its last pair.

    Yields:
        A batch, and how many of its pairs count.

    Raises:
        InputError: a file cannot be decoded or holds no picture.
    """
    images = records.Prepared(pairs, data)
    for start in range(0, len(images), batch_size):
        chosen = range(start, min(start + batch_size, len(images)))
        crops = [transforms.central_crop(images[i], crop=data.crop) / records.FULL for i in chosen]
        crops += crops[-1:] * (batch_size - len(chosen))
        stacked = np.stack(crops)
        nir, rgb = np.ascontiguousarray(stacked[..., :1]), _transfer(stacked[..., 1:], data)
        yield Batch(nir, np.ascontiguousarray(rgb)), len(chosen)
