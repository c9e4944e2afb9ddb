"""Find the pairs of a data directory, judge them, and choose a split of them.

    layouts.find     directory      -> halves of pairs    by the names of files
    pairing.judge    halves         -> pairs, problems    by the headers of images
    choose           both of these  -> those of a split   by sub-folder, table or scene

Each step hands its result to the next, by split; under "" where the directory does not say. A data
set that was built needs none of them: see `haqagen_jax.data.built`. Not handled: pairs in other
sub-folders than those of `haqagen_jax.data.layouts`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from haqagen_jax.data import built, layouts, pairing
from haqagen_jax.data.pair import FilePair, Pair
from haqagen_jax.data.pairing import Judged
from haqagen_jax.data.split import SPLITS, split_of
from haqagen_jax.errors import InputError, reason


class _MissingSplitError(InputError):
    """A folder is split by its sub-folders, and has none of this name."""


def scan(directory: str | Path) -> dict[str, Judged]:
    """Find and judge all pairs of a plain folder.

    Args:
        directory: The folder, or a CSV file.

    Returns:
        Sound pairs and problems by split, or all of them under "" where the folder is not split.

    Raises:
        InputError: One that cannot be listed; and all of `layouts.find`.
    """
    try:
        return pairing.judge(layouts.find(Path(directory)))
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be listed ({reason(error)}); check its rights"
        ) from None


def choose(judged: Mapping[str, Judged], directory: Path, split: str) -> Judged:
    """Choose what belongs to a split: by the folder's own split, else by `split_of` the scenes.

    Args:
        judged: What `scan` returns.
        directory: The folder, for the messages.
        split: train, val or test.

    Returns:
        The split's sound pairs and problems, at least one of them.

    Raises:
        InputError: Nothing falls into the split.
    """
    if split in judged and any(judged[split]):
        return judged[split]
    if "" not in judged:
        raise _MissingSplitError(
            f"{directory}: has {', '.join(judged)} but no {split}; add {directory / split}"
        )
    pairs, problems = judged[""]
    chosen = Judged(
        [pair for pair in pairs if split_of(pair.scene) == split],
        [problem for problem in problems if split_of(problem.scene) == split],
    )
    if not any(chosen):
        pairing.require_sound(judged[""], directory)  # problems are the likelier cause
        raise InputError(
            f"{directory}: none of its {len(pairs)} pairs falls into {split} (80/10/10 by scene); "
            f"sort them into {', '.join(str(directory / name) for name in SPLITS)}"
        )
    return chosen


def find_pairs(directory: str | Path) -> list[FilePair]:
    """Find the pairs of a folder that is not split.

    Args:
        directory: The folder, or a CSV file; other files in it are ignored.

    Returns:
        The pairs, sorted by name.

    Raises:
        InputError: No such folder, no pairs, a missing or a second partner, an unreadable header,
            two sizes in one pair, or splits.
    """
    return pairing.require_sound(_undivided(directory), directory)


def split_pairs(
    directories: Sequence[str | Path], split: str, *, unreadable: bool = False
) -> list[Pair]:
    """Collect one split of one or several data directories.

    A folder with sub-folders named `train`, `val` or `test`, and a table with a column `split`, are
    split by those; so is a data set that was built. The pairs of any other folder are split by
    `split_of` their scenes.

    Args:
        directories: At least one; the result is their union, in this order. A folder whose
            sub-folders lack the split adds nothing to it, if another directory has it.
        split: train, val or test.
        unreadable: Return pairs with unreadable headers, too, instead of refusing them.

    Returns:
        The pairs of the split, at least one.

    Raises:
        InputError: No such directory or split, or nothing in it; and all of `find_pairs`.
    """
    if split not in SPLITS:
        raise InputError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    pairs, missing = [], None
    for directory in directories:
        try:
            pairs += _sound_pairs(Path(directory), split, unreadable=unreadable)
        except _MissingSplitError as error:
            missing = error
    if missing is not None and not pairs:
        raise missing
    return pairs


def usable_pairs(
    directory: str | Path, split: str | None = None
) -> tuple[Sequence[Pair], list[str]]:
    """Collect what can be used of a data directory, and say what cannot.

    Args:
        directory: The folder, or a CSV file, or, with a split, a data set that was built.
        split: train, val or test; None for a folder that is not split.

    Returns:
        The sound pairs, and a line for each name that is not a sound pair.

    Raises:
        InputError: No such directory or split, or nothing in it, sound or not.
    """
    directory = Path(directory)
    if split is None:
        judged = _undivided(directory)
    elif built.is_built(directory):
        return built.split_pairs(directory, split), []
    else:
        judged = choose(scan(directory), directory, split)
    return judged.pairs, [pairing.explain(problem, directory) for problem in judged.problems]


def _undivided(directory: str | Path) -> Judged:
    judged = scan(directory)
    if "" not in judged:
        raise InputError(f"{directory}: is split into {', '.join(judged)}; choose one of them")
    return judged[""]


def _sound_pairs(directory: Path, split: str, *, unreadable: bool) -> Sequence[Pair]:
    if built.is_built(directory):
        return built.split_pairs(directory, split)
    judged = scan(directory)
    if unreadable:
        judged = {name: pairing.with_unreadable(part) for name, part in judged.items()}
    for name in {split, ""} & set(judged):
        pairing.require_sound(judged[name], directory / name)
    return choose(judged, directory, split).pairs
