"""Read data sets that `haqagen_jax.data.builders` built, record by record."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from haqagen_jax.data.pair import Encoded, Pair
from haqagen_jax.errors import InputError, reason
from haqagen_jax.system import strict_json

_INFO, _METADATA = "dataset_info.json", "metadata.json"


@dataclasses.dataclass(frozen=True)
class RecordPair(Pair):
    """A pair that is a record of a built data set."""

    directory: Path
    split: str
    index: int

    @property
    def scene(self) -> str:
        """See `Pair.scene`."""
        return self._record()["scene"].decode()

    def encoded(self) -> Encoded:
        """See `Pair.encoded`."""
        record, source = self._record(), f"{self.directory}: {self.split}: {self.name}"
        return Encoded(record["nir"], record["rgb"], f"{source} (NIR)", f"{source} (RGB)")

    def _record(self) -> dict[str, Any]:
        try:
            return _source(self.directory, self.split)[self.index]
        except Exception as error:  # whatever the file layers below raise
            raise InputError(
                f"{self.directory}: record {self.index} of {self.split} ({self.name}) cannot be "
                f"read ({reason(error)}); build the data set again"
            ) from None


def is_built(directory: str | Path) -> bool:
    """Tell a built data set from a plain folder.

    Args:
        directory: Any path.

    Returns:
        Whether it is a built data set, or holds some.
    """
    return bool(_roots(Path(directory)))


def split_pairs(directory: str | Path, split: str) -> Sequence[RecordPair]:
    """List one split of a built data set.

    Args:
        directory: What `haqagen dataset build` printed, or a directory above it.
        split: train, val or test.

    Returns:
        Its pairs, in the order of the records.

    Raises:
        InputError: Several data sets, no such split, or a damaged one.
    """
    roots = _roots(Path(directory))
    if len(roots) > 1:
        raise InputError(
            f"{directory}: holds {len(roots)} data sets, {', '.join(map(str, roots))}; give one"
        )
    root = roots[0]
    try:
        names = strict_json.loads((root / _METADATA).read_bytes())["names"]
        count = len(_source(root, split)) if split in names else 0
    except Exception as error:  # whatever the layers below raise
        raise InputError(
            f"{root}: cannot be read ({reason(error)}); build the data set again"
        ) from None
    if split not in names:
        raise InputError(f"{root}: has {', '.join(names)} but no {split}; build the data set again")
    if count != len(names[split]):
        raise InputError(
            f"{root}: {split} has {count} records but {len(names[split])} names; build the data "
            "set again"
        )
    return [RecordPair(name, root, split, index) for index, name in enumerate(names[split])]


def skipped(root: str | Path) -> list[str]:
    """List the pairs that were left out while building.

    Args:
        root: The directory of one data set.

    Returns:
        A line for each pair, which says why.
    """
    return strict_json.loads((Path(root) / _METADATA).read_bytes())["skipped"]


def forget() -> None:
    """Close the open files of data sets, one of which may have been replaced."""
    _source.cache_clear()


def _roots(directory: Path) -> list[Path]:
    """Return the built data sets at a directory or below, as they lie in NAME/VERSION."""
    for pattern in (_INFO, f"*/{_INFO}", f"*/*/{_INFO}"):
        roots = sorted(path.parent for path in directory.glob(pattern))
        if roots:
            return roots
    return []


@functools.cache  # one open file a process, whatever the number of pairs
def _source(directory: Path, split: str) -> Any:
    # Imported here, because plain folders need none of it and should not wait for it.
    import tensorflow_datasets as tfds

    open_builder: Any = tfds.builder_from_directory  # its decorator hides its arguments
    return open_builder(directory).as_data_source(split)
