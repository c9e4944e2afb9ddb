"""From files to pairs: three ways to lay out a folder, one set of checks.

    by suffix    NAME_nir.png and NAME_rgb.png together
    by folder    nir/NAME.png and rgb/NAME.png
    by table     pairs.csv with the columns nir, rgb and, if wanted, name, scene and split

Extensions are png, jpg, jpeg, tif or tiff in any case, and the two of a pair may differ. Only
headers are read here.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.data.pair import FilePair
from haqagen_jax.errors import InputError, reason
from haqagen_jax.imageio import EXTENSIONS, read_size

BANDS = ("nir", "rgb")
TABLE = "pairs.csv"
_SHOWN = 3  # names in an error message


class Half(NamedTuple):
    """A file that is one half of a pair."""

    name: str  # of the pair
    band: str  # nir or rgb
    path: Path
    scene: str = ""


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
    "second": ("have a second partner", "keep one of each"),
    "partner": ("have no partner", "add the missing half or move these away"),
    "unreadable": ("cannot be read as images", "replace them"),
    "sizes": ("have two sizes", "a pair must have one size, pixel on pixel"),
}
_LINES = {
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
        names[half.name][half.band].append(half)
    found = Found([], [])
    for name, bands in sorted(names.items()):
        there = [half for halves in bands.values() for half in halves]
        problem = _double(name, bands) or _alone(there)
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


def by_suffix(files: Iterable[Path]) -> list[Half]:
    """Pick NAME_nir.EXT and NAME_rgb.EXT.

    Args:
        files: others among them are ignored.

    Returns:
        Their halves.
    """
    parts = ((path, *path.stem.rpartition("_")) for path in files if is_image(path))
    return [Half(name, band, path) for path, name, _, band in parts if name and band in BANDS]


def by_folder(directory: Path) -> list[Half]:
    """Pick nir/NAME.EXT and rgb/NAME.EXT; NAME may end in _nir and _rgb.

    Args:
        directory: holds folders `nir` and `rgb`, in any case.

    Returns:
        Their halves.
    """
    return [
        Half(path.stem.removesuffix(f"_{folder.name.lower()}"), folder.name.lower(), path)
        for folder in band_folders(directory)
        for path in folder.iterdir()
        if is_image(path)
    ]


def band_folders(directory: Path) -> list[Path]:
    """List the folders named nir and rgb, in any case, if both are there.

    Args:
        directory: an existing folder.

    Returns:
        Both, or nothing.
    """
    folders = [path for path in directory.iterdir() if path.name.lower() in BANDS and path.is_dir()]
    return folders if {path.name.lower() for path in folders} == set(BANDS) else []


def by_table(path: Path) -> dict[str, list[Half]]:
    """Read a CSV file with a header row; relative paths start at its folder.

    Args:
        path: has the columns nir and rgb (paths), and may have name, scene and split.

    Returns:
        Halves by the value of the column split; by "" without one.

    Raises:
        InputError: an unreadable file, a missing column, or a row without its two paths.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); give a UTF-8 CSV file"
        ) from None
    halves: dict[str, list[Half]] = defaultdict(list)
    for number, row in enumerate(rows, start=2):
        files = [row.get(band) for band in BANDS]
        if not all(files):
            raise InputError(
                f"{path}:{number}: columns nir and rgb must each hold a path, not {files}; fill "
                "them in"
            )
        nir, rgb = (path.parent / str(file) for file in files)
        name = row.get("name") or nir.stem.removesuffix("_nir")
        scene = row.get("scene") or name
        halves[row.get("split") or ""] += [
            Half(name, "nir", nir, scene),
            Half(name, "rgb", rgb, scene),
        ]
    return dict(halves)


def is_image(path: Path) -> bool:
    """Tell an image by its extension.

    Args:
        path: of a file.

    Returns:
        Whether we read such files.
    """
    return path.suffix.lower() in EXTENSIONS


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


def _header_problem(pair: FilePair) -> Problem | None:
    try:
        (nir_h, nir_w), (rgb_h, rgb_w) = read_size(pair.nir), read_size(pair.rgb)
    except InputError as error:
        return Problem("unreadable", str(error).rpartition("; ")[0], pair.scene, pair)
    if (nir_h, nir_w) != (rgb_h, rgb_w):
        text = f"{pair.nir} is {nir_w}x{nir_h} but {pair.rgb.name} is {rgb_w}x{rgb_h}"
        return Problem("sizes", text, pair.scene)
    return None
