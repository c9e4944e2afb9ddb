"""Assign scenes to splits: deterministic, equal on every machine, and no scene to two splits."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

SPLITS = ("train", "val", "test")
_FOLDERS = {  # names of the folders of each split, in lower case
    "train": {"train", "training"},
    "val": {"val", "valid", "validation"},
    "test": {"test", "testing"},
}


@runtime_checkable
class InScene(Protocol):
    """Anything that belongs to a scene, as a pair does."""

    @property
    def scene(self) -> str:
        """Name of the scene, which all views of it share."""
        ...


Item = TypeVar("Item", bound=InScene)


def split_of_folder(name: str) -> str | None:
    """Tell which split a folder stands for by its name.

    Args:
        name: Name of the folder in any case, as "Validation".

    Returns:
        train, val or test; None for any other folder.
    """
    return next((split for split in SPLITS if name.lower() in _FOLDERS[split]), None)


def by_split(folders: Iterable[Path]) -> dict[str, list[Path]]:
    """Group folders by the split that each stands for.

    Args:
        folders: Any; those that stand for none are left out.

    Returns:
        Folders by split, in the order of `SPLITS`; no split without a folder.
    """
    groups: dict[str, list[Path]] = {split: [] for split in SPLITS}
    for folder in folders:
        split = split_of_folder(folder.name)
        if split is not None:
            groups[split].append(folder)
    return {split: members for split, members in groups.items() if members}


def split_of(scene: str) -> str:
    """Assign a scene to a split: 80 % train, 10 % val, 10 % test, the same on every machine.

    Args:
        scene: The scene's name; all views of a scene must share it.

    Returns:
        train, val or test.

    Reference: 80/10/10 is Sec. 4, "Datasets"; the hash (SHA-256 of the name) is ours.
    """
    tenth = _hash(scene) * 10 >> 64
    return "train" if tenth < 8 else "val" if tenth < 9 else "test"


def split_by_counts(
    scenes: Sequence[str], counts: Mapping[str, int], held_out: Mapping[str, str] | None = None
) -> list[str]:
    """Assign pairs to splits of given sizes, whole scenes at a time.

    Scenes are taken in the order of their hashes, the largest first, each into the split that
    lacks the largest share of its size and has room for all of it. With one pair a scene the sizes
    are met exactly.

    Args:
        scenes: Scene of every pair.
        counts: Pairs wanted by split.
        held_out: Splits of the scenes that are assigned before the others, each to its own split as
            long as that has room.

    Returns:
        The split of every pair, in the order of `scenes`.

    Reference: the counts are Table 1's; the order (SHA-256 of the scene) is ours.
    """
    sizes = Counter(scenes)
    room = dict(counts)
    assigned, reserved = {}, held_out or {}

    def order(scene: str) -> tuple[bool, int, int]:
        return scene not in reserved, -sizes[scene], _hash(scene)

    for scene in sorted(sizes, key=order):
        size = sizes[scene]
        split = reserved.get(scene)
        if split is None or room[split] < size:
            split = max(room, key=lambda name: (room[name] >= size, room[name] / counts[name]))
        assigned[scene] = split
        room[split] -= size
    return [assigned[scene] for scene in scenes]


def share_out(
    pairs: Sequence[Item], counts: Mapping[str, int], held_out: Mapping[str, str] | None = None
) -> dict[str, list[Item]]:
    """Divide pairs among splits of given sizes; see `split_by_counts`.

    Args:
        pairs: Pairs in any order, which each split keeps.
        counts: Pairs wanted by split; more or fewer pairs are divided in the same proportions.
        held_out: See `split_by_counts`.

    Returns:
        Pairs by split, in the order of `SPLITS`.
    """
    splits = split_by_counts([pair.scene for pair in pairs], counts, held_out)
    return {
        name: [pair for pair, split in zip(pairs, splits, strict=True) if split == name]
        for name in SPLITS
    }


def _hash(scene: str) -> int:
    return int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
