"""A data directory and its splits: a plain folder of pairs, or a data set that was built.

A plain folder holds pairs in one of the ways of `haqagen_jax.data.layouts`, or `train`, `val` and
`test` folders that do. Not handled: pairs in other sub-folders.
"""

from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.data import built, layouts, pairing
from haqagen_jax.data.layouts import TABLE
from haqagen_jax.data.pair import FilePair, Pair
from haqagen_jax.data.pairing import Found
from haqagen_jax.data.split import SPLITS, split_of, split_of_folder
from haqagen_jax.errors import InputError, reason


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
    return pairing.require_sound(_undivided(directory), directory)


class _MissingSplitError(InputError):
    """A folder is split by its sub-folders, and has none of this name."""


def split_pairs(
    directories: Sequence[str | Path], split: str, *, unreadable: bool = False
) -> list[Pair]:
    """Collect one split of one or several data directories.

    A folder with sub-folders named `train`, `val` or `test`, and a table with a column `split`, are
    split by those; so is a data set that was built. The pairs of any other folder are split by
    `split_of` their scenes.

    Args:
        directories: at least one; the result is their union, in this order. A folder whose
            sub-folders lack the split adds nothing to it, if another directory has it.
        split: train, val or test.
        unreadable: return pairs with unreadable headers, too, instead of refusing them.

    Returns:
        The pairs of the split, at least one.

    Raises:
        InputError: no such directory or split, or nothing in it; and all of `find_pairs`.
    """
    if split not in SPLITS:
        raise InputError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    pairs, lacking = [], None
    for directory in directories:
        try:
            pairs += _split_one(Path(directory), split, unreadable=unreadable)
        except _MissingSplitError as error:
            lacking = error
    if lacking is not None and not pairs:
        raise lacking
    return pairs


def usable_pairs(
    directory: str | Path, split: str | None = None
) -> tuple[Sequence[Pair], list[str]]:
    """Collect what can be used of a data directory, and say what cannot.

    Args:
        directory: the folder, or a CSV file, or, with a split, a data set that was built.
        split: train, val or test; None for a folder that is not split.

    Returns:
        The pairs, and a line for each name that is none.

    Raises:
        InputError: no such directory or split, or nothing in it, sound or not.
    """
    directory = Path(directory)
    if split is None:
        part = _undivided(directory)
    elif built.is_built(directory):
        return built.split_pairs(directory, split), []
    else:
        part = _part(scan(directory), directory, split)
    return part.pairs, [pairing.explain(problem, directory) for problem in part.problems]


def scan(directory: str | Path) -> dict[str, Found]:
    """Look at a plain folder and judge every pair in it.

    Args:
        directory: the folder, or a CSV file.

    Returns:
        What was found, by split: by "" where the folder does not say.

    Raises:
        InputError: no such folder, one that cannot be listed, nothing in it that looks like half a
            pair, a table that cannot be read, or a split that does not exist.
    """
    try:
        return _scan(Path(directory))
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be listed ({reason(error)}); check its rights"
        ) from None


def _scan(directory: Path) -> dict[str, Found]:
    if directory.is_file() and directory.suffix.lower() == ".csv":
        return _scan_table(directory)
    _require_directory(directory)
    folders = _split_folders(directory)
    if (directory / TABLE).is_file() and not folders:
        return _scan_table(directory / TABLE)
    files = [path for path in directory.iterdir() if path.is_file()]
    halves = layouts.by_suffix(files) + layouts.by_folder(directory)
    if folders:
        if halves:
            raise InputError(
                f"{directory}: {len(halves)} images lie beside {', '.join(folders)}, as "
                f"{halves[0].path.name}; move them into one of these, or away"
            )
        return {split: _scan_split(path) for split, path in folders.items()}
    if not halves:
        raise InputError(
            f"{directory}: holds no pairs; name them NAME_nir.png and NAME_rgb.png (or .jpg, "
            f".tif), put them into folders nir and rgb, or list them in {TABLE}"
        )
    return {"": pairing.pair_up(halves)}


def _split_folders(directory: Path) -> dict[str, Path]:
    """The folders named after splits, in the order of `SPLITS`."""
    named = [
        (split_of_folder(path.name), path)
        for path in sorted(directory.iterdir())
        if path.is_dir() and split_of_folder(path.name)
    ]
    found = {split: [path for name, path in named if name == split] for split in SPLITS}
    for split, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise InputError(f"{directory}: {names} both mean {split}; make them one")
    return {split: paths[0] for split, paths in found.items() if paths}


def _scan_split(directory: Path) -> Found:
    found = _scan(directory)
    if set(found) != {""}:
        raise InputError(
            f"{directory}: is split again, into {', '.join(found)}; keep one split of the pairs"
        )
    return found[""]


def _scan_table(path: Path) -> dict[str, Found]:
    halves = layouts.by_table(path)
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


def _undivided(directory: str | Path) -> Found:
    found = scan(directory)
    if "" not in found:
        raise InputError(f"{directory}: is split into {', '.join(found)}; choose one of them")
    return found[""]


def _split_one(directory: Path, split: str, *, unreadable: bool) -> Sequence[Pair]:
    if built.is_built(directory):
        return built.split_pairs(directory, split)
    found = scan(directory)
    if unreadable:
        found = {name: pairing.with_unreadable(one) for name, one in found.items()}
    for name in {split, ""} & set(found):
        pairing.require_sound(found[name], directory / name)
    return _part(found, directory, split).pairs


def _part(found: dict[str, Found], directory: Path, split: str) -> Found:
    """What belongs to a split, at least one name."""
    if split in found and any(found[split]):
        return found[split]
    if "" not in found:
        raise _MissingSplitError(
            f"{directory}: has {', '.join(found)} but no {split}; add {directory / split}"
        )
    pairs, problems = found[""]
    part = Found(
        [pair for pair in pairs if split_of(pair.scene) == split],
        [problem for problem in problems if split_of(problem.scene) == split],
    )
    if not any(part):
        pairing.require_sound(found[""], directory)  # the likelier cause
        raise InputError(
            f"{directory}: none of its {len(pairs)} pairs falls into {split} (80/10/10 by scene); "
            f"sort them into {', '.join(str(directory / name) for name in SPLITS)}"
        )
    return part
