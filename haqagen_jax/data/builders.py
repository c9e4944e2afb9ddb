"""Build data sets as ArrayRecord files with TensorFlow Datasets, but without TensorFlow.

A record is one pair: its name, its scene, and both image files as they are, byte for byte, so that
reading a built set gives what reading the files gives. Every pair is decoded once while building;
one that cannot be is refused by name, or skipped and listed. Records keep the order of the names.

    Rgb2nir(data_dir=OUT).download_and_prepare(download_config=DownloadConfig(manual_dir=RAW))

Reference: https://www.tensorflow.org/datasets (GeneratorBasedBuilder); the paper's Table 1.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tensorflow_datasets as tfds

from haqagen_jax.data import catalog, folder, pairing
from haqagen_jax.data.catalog import PublishedSet
from haqagen_jax.data.pair import Encoded, Pair, check_pair
from haqagen_jax.data.split import SPLITS, share_out
from haqagen_jax.errors import InputError
from haqagen_jax.images.levels import quantize
from haqagen_jax.synthetic import render

Splits = Mapping[str, Sequence[Pair]]
NAMES = "names"  # key of metadata.json: the pairs of each split in the order of the records
SKIPPED = "skipped"  # key of metadata.json: a line for each pair that was left out


class PairBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of all builders; a builder says which pairs its data set has."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, skip_corrupt: bool = False, **options: Any):
        super().__init__(file_format="array_record", **options)
        self._skip_corrupt = skip_corrupt

    def find(self, raw: Path) -> Splits:
        """Find the pairs of every split.

        Args:
            raw: The directory that the originals were unpacked into.

        Returns:
            Pairs by split.

        Raises:
            InputError: Missing, mismatched or incomplete files.
        """
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "name": tfds.features.Text(doc="of the pair"),
            "scene": tfds.features.Text(doc="shared by all views of one place"),
            "nir": tfds.features.Tensor(shape=(), dtype=np.object_, doc="the NIR image file"),
            "rgb": tfds.features.Tensor(shape=(), dtype=np.object_, doc="the colour image file"),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.describe(),
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict({NAMES: {}, SKIPPED: []}),
            disable_shuffling=True,
        )

    def describe(self) -> str:
        """Describe the data set.

        Returns:
            A line.
        """
        return "Pairs of near-infrared and colour images."

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        splits = self.find(Path(dl_manager.manual_dir))
        empty = [split for split in SPLITS if not splits.get(split)]
        if empty:
            total = sum(len(pairs) for pairs in splits.values())
            raise InputError(
                f"{self.name}: {total} pairs leave {', '.join(empty)} empty; add pairs, or sort "
                f"them into {', '.join(SPLITS)} yourself"
            )
        return {split: self._generate_examples(split, splits[split]) for split in SPLITS}

    def _generate_examples(
        self, split: str, pairs: Sequence[Pair]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        metadata: Any = self.info.metadata
        names = metadata[NAMES].setdefault(split, [])
        last_error = ""
        for index, pair in enumerate(pairs):
            try:
                encoded = pair.encoded()
                check_pair(encoded)
            except InputError as error:
                if not self._skip_corrupt:
                    raise
                last_error = str(error)
                metadata[SKIPPED].append(last_error)
                continue
            names.append(pair.name)
            images = {"nir": encoded.nir, "rgb": encoded.rgb}
            yield index, {"name": pair.name, "scene": pair.scene, **images}
        if not names:
            raise InputError(
                f"{self.name}: {split} is empty, as all of its {len(pairs)} pairs were skipped "
                f"(the last one: {last_error}); replace them"
            )


class PublishedBuilder(PairBuilder, skip_registration=True):
    """Base of the builders of the paper's four data sets."""

    SET: PublishedSet

    def __init__(self, *, partial: bool = False, **options: Any):
        super().__init__(**options)
        self._partial = partial

    def describe(self) -> str:
        """Describe the data set.

        Returns:
            A line.
        """
        return f"{self.SET.title}: {self.SET.kind}. {self.SET.source}"

    def find(self, raw: Path) -> Splits:
        """See `PairBuilder.find`."""
        judged = catalog.find(self.SET, raw)
        if self._skip_corrupt:
            judged = pairing.with_unreadable(judged)
        if not self._partial:
            catalog.require_whole(self.SET, judged, raw)
        return catalog.split(self.SET, pairing.require_sound(judged, raw), raw)


class Vcip2020(PublishedBuilder):
    """Builder of VCIP 2020."""

    SET = catalog.VCIP2020
    MANUAL_DOWNLOAD_INSTRUCTIONS = SET.unpack


class Fanvid(PublishedBuilder):
    """Builder of FANVID."""

    SET = catalog.FANVID
    MANUAL_DOWNLOAD_INSTRUCTIONS = SET.unpack


class Omsiv(PublishedBuilder):
    """Builder of OMSIV."""

    SET = catalog.OMSIV
    MANUAL_DOWNLOAD_INSTRUCTIONS = SET.unpack


class Rgb2nir(PublishedBuilder):
    """Builder of the RGB-NIR Scene Dataset."""

    SET = catalog.RGB2NIR
    MANUAL_DOWNLOAD_INSTRUCTIONS = SET.unpack


PUBLISHED = {builder.SET.name: builder for builder in (Vcip2020, Fanvid, Omsiv, Rgb2nir)}


class Pairs(PairBuilder):
    """Builder of a data set from any plain folder of pairs."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "a folder of pairs; see haqagen_jax.data.pairing"

    def find(self, raw: Path) -> Splits:
        """See `PairBuilder.find`."""
        unreadable = self._skip_corrupt
        return {split: folder.split_pairs([raw], split, unreadable=unreadable) for split in SPLITS}


@dataclasses.dataclass(frozen=True)
class RenderedPair(Pair):
    """A pair that is rendered when it is read; see `haqagen_jax.synthetic`."""

    seed: int
    height: int
    width: int

    @property
    def scene(self) -> str:
        """See `Pair.scene`."""
        return self.name

    def encoded(self) -> Encoded:
        """See `Pair.encoded`."""
        scene = render(self.seed, self.height, self.width)
        nir, rgb = (bytes(imagecodecs.png_encode(quantize(x, np.uint16))) for x in scene)
        return Encoded(nir, rgb, f"{self.name} (NIR)", f"{self.name} (RGB)")


class Synthetic(PairBuilder):
    """Builder of rendered scenes with 16 bits."""

    MANUAL_DOWNLOAD_INSTRUCTIONS = "nothing: the scenes are rendered"

    def __init__(self, *, count: int, size: tuple[int, int], seed: int, **options: Any):
        super().__init__(**options)
        self._pairs = [
            RenderedPair(f"scene_{number:06d}", number, *size)
            for number in range(seed, seed + count)
        ]

    def describe(self) -> str:
        """Describe the data set.

        Returns:
            A line.
        """
        return "Scenes rendered from published reflectances."

    def find(self, raw: Path) -> Splits:
        """See `PairBuilder.find`; `raw` is not used."""
        return share_out(self._pairs, {"train": 8, "val": 1, "test": 1})
