"""Which scene belongs to which split: the same on every machine, and never to two."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

SPLITS = ("train", "val", "test")


def split_of(scene: str) -> str:
    """Assign a scene to a split: 80 % train, 10 % val, 10 % test, the same on every machine.

    Args:
        scene: the scene's name; all views of a scene must share it.

    Returns:
        train, val or test.

    Reference: 80/10/10 is Sec. 4, "Datasets"; the hash (SHA-256 of the name) is ours.
    """
    tenth = _hash(scene) * 10 >> 64
    return "train" if tenth < 8 else "val" if tenth < 9 else "test"


def split_by_counts(scenes: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Assign pairs to splits of given sizes, whole scenes at a time.

    Scenes are taken in the order of their hashes, the largest first, each into the split that
    lacks the largest share of its size and has room for all of it. With one pair a scene the sizes
    are met exactly.

    Args:
        scenes: the scene of every pair.
        counts: pairs wanted, by split.

    Returns:
        The split of every pair.

    Reference: the counts are Table 1's; the order (SHA-256 of the scene) is ours.
    """
    sizes = Counter(scenes)
    room = dict(counts)
    chosen = {}
    for scene in sorted(sizes, key=lambda scene: (-sizes[scene], _hash(scene))):
        size = sizes[scene]
        split = max(room, key=lambda name: (room[name] >= size, room[name] / counts[name]))
        chosen[scene] = split
        room[split] -= size
    return [chosen[scene] for scene in scenes]


def _hash(scene: str) -> int:
    return int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
