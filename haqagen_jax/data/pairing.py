"""From halves to pairs: one set of checks, whatever the layout. Only headers are read here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haqagen_jax.data.layouts import BANDS, Half
from haqagen_jax.data.pair import FilePair
from haqagen_jax.errors import InputError
from haqagen_jax.images.files import read_size

_SHOWN = 3  # names in an error message


class Problem(NamedTuple):
    """Why a name is not a pair."""

    kind: str  # one of `REMEDIES`
    text: str
    scene: str
    pair: FilePair | None = None  # where both halves are there and one is "unreadable"


class Found(NamedTuple):
    """What a folder holds."""

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
    "missing": "{place}: {text} does not exist; add it, or take its row out",
    "second": "{place}: {text}; keep one of each",
    "partner": "{place}: {text} has no partner; add the missing half or move this away",
    "unreadable": "{text}; replace it",
    "sizes": "{text}; a pair must have one size, pixel on pixel",
}


def pair_up(halves: Iterable[Half]) -> Found:
    """Join halves of one name, and check every pair.

    Args:
        halves: in any order.

    Returns:
        The good pairs, and one problem for each name that is not one.
    """
    names: dict[str, dict[str, list[Half]]] = defaultdict(lambda: {band: [] for band in BANDS})
    for half in halves:
        _require_text(half)
        names[half.name][half.band].append(half)
    found = Found([], [])
    for name, bands in sorted(names.items()):
        there = [half for halves in bands.values() for half in halves]
        problem = _double(name, bands) or _alone(there) or _missing(there)
        if problem is None:
            nir, rgb = bands["nir"][0], bands["rgb"][0]
            pair = FilePair(name, nir.path, rgb.path, nir.scene)
            problem = _header_problem(pair)
            if problem is None:
                found.pairs.append(pair)
                continue
        found.problems.append(problem)
    return found


def with_unreadable(found: Found) -> Found:
    """Count those as pairs of which a header cannot be read: for callers that read and judge them.

    Args:
        found: what a folder holds.

    Returns:
        The same, with fewer problems.
    """
    unreadable = [problem.pair for problem in found.problems if problem.pair]
    return Found(
        sorted(found.pairs + unreadable, key=lambda pair: pair.name),
        [problem for problem in found.problems if not problem.pair],
    )


def require_sound(found: Found, place: object) -> list[FilePair]:
    """Return the pairs of a folder without problems.

    Args:
        found: what the folder holds.
        place: the folder, for the message.

    Returns:
        The pairs.

    Raises:
        InputError: some names are not pairs: how many, of how many, and the first of them.
    """
    for kind, (what, remedy) in REMEDIES.items():
        texts = [problem.text for problem in found.problems if problem.kind == kind]
        if texts:
            total = len(found.pairs) + len(found.problems)
            shown = ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")
            raise InputError(f"{place}: {len(texts)} of {total} names {what}: {shown}; {remedy}")
    return found.pairs


def explain(problem: Problem, place: object) -> str:
    """Say in one line what is wrong with a name.

    Args:
        problem: of it.
        place: the folder.
    """
    return _LINES[problem.kind].format(place=place, text=problem.text)


def _double(name: str, bands: dict[str, list[Half]]) -> Problem | None:
    for band, halves in bands.items():
        if len(halves) > 1:
            both = " and ".join(sorted(half.path.name for half in halves))
            text = f"{name} has {len(halves)} {band} images, {both}"
            return Problem("second", text, halves[0].scene or name)
    return None


def _alone(there: Sequence[Half]) -> Problem | None:
    if len(there) > 1:
        return None
    half = there[0]
    return Problem("partner", half.path.name, half.scene or half.name)


def _missing(there: Sequence[Half]) -> Problem | None:
    for half in there:
        if not half.path.exists():
            return Problem("missing", str(half.path), half.scene or half.name)
    return None


def _require_text(half: Half) -> None:
    try:
        half.name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{half.path}: its name is not UTF-8; rename it") from None


def _header_problem(pair: FilePair) -> Problem | None:
    try:
        (nir_h, nir_w), (rgb_h, rgb_w) = read_size(pair.nir), read_size(pair.rgb)
    except InputError as error:
        return Problem("unreadable", str(error).rpartition("; ")[0], pair.scene, pair)
    if (nir_h, nir_w) != (rgb_h, rgb_w):
        text = f"{pair.nir} is {nir_w}x{nir_h} but {pair.rgb.name} is {rgb_w}x{rgb_h}"
        return Problem("sizes", text, pair.scene)
    return None
