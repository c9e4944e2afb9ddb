"""Three ways to lay out pairs in a folder, and the halves of pairs that are found in it.

    by suffix    NAME_nir.png and NAME_rgb.png together
    by folder    nir/NAME.png and rgb/NAME.png
    by table     pairs.csv with the columns nir, rgb and, if wanted, name, scene and split

Extensions are png, jpg, jpeg, tif or tiff in any case, and the two of a pair may differ. No image
is opened here.
"""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.errors import InputError, reason
from haqagen_jax.images.files import EXTENSIONS

BANDS = ("nir", "rgb")
TABLE = "pairs.csv"
_SHOWN = 3  # names in an error message


class Half(NamedTuple):
    """A file that is one half of a pair."""

    name: str  # of the pair
    band: str  # nir or rgb
    path: Path
    scene: str = ""


def by_suffix(files: Iterable[Path]) -> list[Half]:
    """Pick NAME_nir.EXT and NAME_rgb.EXT.

    Args:
        files: others among them are ignored.

    Returns:
        Their halves.
    """
    parts = ((path, *path.stem.rpartition("_")) for path in files if is_image(path))
    return [
        Half(name, band.lower(), path)
        for path, name, _, band in parts
        if name and band.lower() in BANDS
    ]


def by_folder(directory: Path) -> list[Half]:
    """Pick nir/NAME.EXT and rgb/NAME.EXT; NAME may end in _nir and _rgb, and begin with folders.

    Args:
        directory: holds folders `nir` and `rgb`, in any case.

    Returns:
        Their halves.
    """
    return [
        Half(_name_in(folder, path), folder.name.lower(), path)
        for folder in band_folders(directory)
        for path in files_below(folder)
        if is_image(path)
    ]


def _name_in(folder: Path, path: Path) -> str:
    place = path.relative_to(folder).with_suffix("")
    suffix = f"_{folder.name.lower()}"
    name = "_".join(place.parts)
    return name[: -len(suffix)] if name.lower().endswith(suffix) else name


def files_below(directory: Path) -> Iterator[Path]:
    """List the files of a folder and of those in it, in order.

    Args:
        directory: an existing folder.

    Yields:
        Their paths; nothing that begins with a dot, and nothing of `__MACOSX`, in which archives
        from a Mac keep what is no image.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for place, folders, files in os.walk(directory, onerror=fail):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


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
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = reader.fieldnames or []
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); give a UTF-8 CSV file"
        ) from None
    absent = [band for band in BANDS if band not in columns]
    if absent and columns:
        raise InputError(
            f"{path}: has the columns {', '.join(columns)} but no {absent[0]}; name them in the "
            "first line, nir,rgb with commas and no spaces between"
        )
    halves: dict[str, list[Half]] = defaultdict(list)
    for number, row in rows:
        files = [row.get(band) for band in BANDS]
        if not all(files):
            raise InputError(
                f"{path}:{number}: columns nir and rgb must each hold a path, not {files}; fill "
                "them in"
            )
        nir, rgb = (path.parent / str(file) for file in files)
        name = row.get("name") or nir.stem.removesuffix("_nir")
        scene = row.get("scene") or ""
        halves[row.get("split") or ""] += [
            Half(name, "nir", nir, scene),
            Half(name, "rgb", rgb, scene),
        ]
    _require_once(path, halves)
    return dict(halves)


def _require_once(table: Path, halves: Mapping[str, Sequence[Half]]) -> None:
    """Refuses a table that puts a scene on two sides of a split, or lists a file twice."""
    sides: dict[str, set[str]] = defaultdict(set)
    for split, rows in halves.items():
        for half in rows:
            if half.scene:  # names may repeat from split to split
                sides[half.scene].add(split)
    parted = [
        f"{scene} ({', '.join(sorted(splits))})"
        for scene, splits in sides.items()
        if len(splits) > 1
    ]
    files = Counter(half.path.absolute() for rows in halves.values() for half in rows)
    twice = [path.name for path, count in files.items() if count > 1]
    for found, what, remedy in (
        (twice, "files are listed more than once", "keep one row of each"),
        (parted, "scenes are in more than one split", "keep each in one"),
    ):
        if found:
            shown = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
            raise InputError(f"{table}: {len(found)} {what}: {shown}; {remedy}")


def is_image(path: Path) -> bool:
    """Tell an image by its extension.

    Args:
        path: of a file.

    Returns:
        Whether we read such files.
    """
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")
