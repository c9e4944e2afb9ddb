"""A data directory and its splits: a plain folder of pairs, or a data set that was built.

A plain folder holds pairs in one of the ways of `haqagen_jax.data.pairing`, or `train`, `val` and
`test` folders that do. Not handled: pairs in other sub-folders.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.data import built, pairing
from haqagen_jax.data.pair import FilePair, Pair
from haqagen_jax.data.pairing import TABLE, Found
from haqagen_jax.data.split import SPLITS, split_of
from haqagen_jax.errors import InputError


def find_pairs(directory: str | Path) -> list[FilePair]:
    """Find the pairs of a folder that is not split.

    Args:
        directory: the folder, or a CSV file; other files in it are ignored.

    Returns:
        The pairs, sorted by name.

    Raises:
        InputError: no such folder, no pairs, a missing or a second partner, an unreadable header,
            two sizes in one pair, or splits.
    """
    found = scan(directory)
    if "" not in found:
        raise InputError(f"{directory}: is split into {', '.join(found)}; choose one of them")
    return pairing.require_sound(found[""], directory)


def split_pairs(directories: Sequence[str | Path], split: str) -> list[Pair]:
    """Collect one split of one or several data directories.

    A folder with sub-folders named `train`, `val` or `test`, and a table with a column `split`, are
    split by those; so is a data set that was built. The pairs of any other folder are split by
    `split_of` their scenes.

    Args:
        directories: at least one; the result is their union, in this order.
        split: train, val or test.

    Returns:
        The pairs of the split, at least one.

    Raises:
        InputError: no such directory or split, or nothing in it; and all of `find_pairs`.
    """
    if split not in SPLITS:
        raise InputError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    return [pair for directory in directories for pair in _split_one(Path(directory), split)]


def scan(directory: str | Path) -> dict[str, Found]:
    """Look at a plain folder and judge every pair in it.

    Args:
        directory: the folder, or a CSV file.

    Returns:
        What was found, by split: by "" where the folder does not say.

    Raises:
        InputError: no such folder, nothing in it that looks like half a pair, a table that cannot
            be read, or a split that does not exist.
    """
    directory = Path(directory)
    if directory.is_file() and directory.suffix.lower() == ".csv":
        return _scan_table(directory)
    _require_directory(directory)
    folders = {name: directory / name for name in SPLITS if (directory / name).is_dir()}
    if folders:
        return {name: found for name, path in folders.items() for found in scan(path).values()}
    if (directory / TABLE).is_file():
        return _scan_table(directory / TABLE)
    files = [path for path in directory.iterdir() if path.is_file()]
    halves = pairing.by_suffix(files) + pairing.by_folder(directory)
    if not halves:
        raise InputError(
            f"{directory}: holds no pairs; name them NAME_nir.png and NAME_rgb.png (or .jpg, "
            f".tif), put them into folders nir and rgb, or list them in {TABLE}"
        )
    return {"": pairing.pair_up(halves)}


def _scan_table(path: Path) -> dict[str, Found]:
    halves = pairing.by_table(path)
    if not halves:
        raise InputError(f"{path}: has no rows; list a pair a row in columns nir and rgb")
    wrong = sorted(set(halves) - {*SPLITS, ""})
    if wrong:
        raise InputError(f"{path}: split = {wrong[0]!r}: must be one of {', '.join(SPLITS)}")
    if "" in halves and len(halves) > 1:
        raise InputError(f"{path}: some rows have no split; fill in all of them or none")
    return {split: pairing.pair_up(rows) for split, rows in halves.items()}


def _require_directory(directory: Path) -> None:
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        raise InputError(f"{directory}: {what}; give a folder of pairs")


def _split_one(directory: Path, split: str) -> Sequence[Pair]:
    if built.is_built(directory):
        return built.split_pairs(directory, split)
    found = scan(directory)
    if split in found:
        pairs = pairing.require_sound(found[split], directory / split)
        if pairs:
            return pairs
    if "" not in found:
        raise InputError(
            f"{directory}: has {', '.join(found)} but no {split}; add {directory / split}"
        )
    by_split: dict[str, list[FilePair]] = defaultdict(list)
    pairs = pairing.require_sound(found[""], directory)
    for pair in pairs:
        by_split[split_of(pair.scene)].append(pair)
    if not by_split[split]:
        raise InputError(
            f"{directory}: none of its {len(pairs)} pairs falls into {split} (80/10/10 by scene); "
            f"sort them into {', '.join(str(directory / name) for name in SPLITS)}"
        )
    return by_split[split]
