"""Judge pairs: join the halves of one name and say which of the pairs are sound.

There is one set of checks, whatever the layout of the files. Only headers of images are read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from haqagen_jax.data.half import BANDS, Half
from haqagen_jax.data.pair import FilePair
from haqagen_jax.errors import InputError
from haqagen_jax.images.files import read_size

_SHOWN = 3  # names in an error message


class Problem(NamedTuple):
    """Why a name is not a sound pair."""

    kind: str  # one of `REMEDIES`
    text: str
    scene: str
    pair: FilePair | None = None  # where both halves are there and one is "unreadable"


class Judged(NamedTuple):
    """Every name of a folder or of a split: a sound pair, or a problem."""

    pairs: list[FilePair]  # sorted by name
    problems: list[Problem]


REMEDIES = {
    "missing": ("do not exist", "add the files, or take their rows out"),
    "second": ("have a second partner", "keep one of each"),
    "partner": ("have no partner", "add the missing half or move these away"),
    "unreadable": ("cannot be read as images", "replace them"),
    "sizes": ("have two sizes", "a pair must have one size, pixel on pixel"),
}
_LINES = {
    "missing": "{directory}: {text} does not exist; add it, or take its row out",
    "second": "{directory}: {text}; keep one of each",
    "partner": "{directory}: {text} has no partner; add the missing half or move this away",
    "unreadable": "{text}; replace it",
    "sizes": "{text}; a pair must have one size, pixel on pixel",
}


def judge(halves: Mapping[str, Sequence[Half]]) -> dict[str, Judged]:
    """Join the halves of each split to pairs and check them; only headers of images are read.

    Args:
        halves: What `haqagen_jax.data.layouts.find` returns.

    Returns:
        Sound pairs and problems, by split as the halves.

    Raises:
        OSError: The rights do not allow to look whether a file is there.
    """
    return {split: pair_up(members) for split, members in halves.items()}


def pair_up(halves: Iterable[Half]) -> Judged:
    """Join halves of one name, and check every pair.

    Args:
        halves: In any order.

    Returns:
        The sound pairs, and one problem for each name that is not one.

    Raises:
        OSError: The rights do not allow to look whether a file is there.
    """
    names: dict[str, dict[str, list[Half]]] = defaultdict(lambda: {band: [] for band in BANDS})
    for half in halves:
        names[half.name][half.band].append(half)
    judged = Judged([], [])
    for name, bands in sorted(names.items()):
        pair = _judge(name, bands)
        if isinstance(pair, Problem):
            judged.problems.append(pair)
        else:
            judged.pairs.append(pair)
    return judged


def with_unreadable(judged: Judged) -> Judged:
    """Count pairs with an unreadable header as sound, for callers that decode and judge them.

    Args:
        judged: The names of a folder.

    Returns:
        The same names, fewer of them problems.
    """
    unreadable = [problem.pair for problem in judged.problems if problem.pair]
    return Judged(
        sorted(judged.pairs + unreadable, key=lambda pair: pair.name),
        [problem for problem in judged.problems if not problem.pair],
    )


def require_sound(judged: Judged, directory: object) -> list[FilePair]:
    """Return the pairs of a folder without problems.

    Args:
        judged: The names of the folder.
        directory: The folder, for the message.

    Returns:
        The pairs.

    Raises:
        InputError: Some names are not sound pairs: how many, of how many, and the first of them.
    """
    for kind, (fault, remedy) in REMEDIES.items():
        texts = [problem.text for problem in judged.problems if problem.kind == kind]
        if texts:
            total = len(judged.pairs) + len(judged.problems)
            shown = ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
            raise InputError(
                f"{directory}: {len(texts)} of {total} names {fault}: {shown}; {remedy}"
            )
    return judged.pairs


def explain(problem: Problem, directory: object) -> str:
    """Say in one line what is wrong with a name.

    Args:
        problem: What is wrong.
        directory: The folder that the name is in.

    Returns:
        The line, with a remedy.
    """
    return _LINES[problem.kind].format(directory=directory, text=problem.text)


def _judge(name: str, bands: dict[str, list[Half]]) -> FilePair | Problem:
    """Check from the cheapest fault to the dearest: names, then existence, then headers."""
    halves = [half for members in bands.values() for half in members]
    problem = _second(name, bands) or _single(halves) or _missing(halves)
    if problem is not None:
        return problem
    nir, rgb = halves
    pair = FilePair(name, nir.path, rgb.path, nir.scene)
    return _header_problem(pair) or pair


def _second(name: str, bands: dict[str, list[Half]]) -> Problem | None:
    for band, halves in bands.items():
        if len(halves) > 1:
            both = " and ".join(sorted(half.path.name for half in halves))
            text = f"{name} has {len(halves)} {band} images, {both}"
            return Problem("second", text, halves[0].scene or name)
    return None


def _single(halves: Sequence[Half]) -> Problem | None:
    if len(halves) > 1:
        return None
    half = halves[0]
    return Problem("partner", half.path.name, half.scene or half.name)


def _missing(halves: Sequence[Half]) -> Problem | None:
    for half in halves:
        if not half.path.exists():
            return Problem("missing", str(half.path), half.scene or half.name)
    return None


def _header_problem(pair: FilePair) -> Problem | None:
    try:
        (nir_h, nir_w), (rgb_h, rgb_w) = read_size(pair.nir), read_size(pair.rgb)
    except InputError as error:
        return Problem("unreadable", str(error).rpartition("; ")[0], pair.scene, pair)
    if (nir_h, nir_w) != (rgb_h, rgb_w):
        text = f"{pair.nir} is {nir_w}x{nir_h} but {pair.rgb.name} is {rgb_w}x{rgb_h}"
        return Problem("sizes", text, pair.scene)
    return None
