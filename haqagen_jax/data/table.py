"""Pairs listed in a table: a CSV file with the columns nir, rgb and, if wanted, name, scene, split.

Relative paths start at the file's folder, and may be written as on Windows. No image is opened
here.
"""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from haqagen_jax.data.half import BANDS, Half, require_text
from haqagen_jax.data.split import SPLITS
from haqagen_jax.errors import InputError, reason

TABLE = "pairs.csv"
_SHOWN = 3  # names in an error message


def read_table(path: Path) -> dict[str, list[Half]]:
    """Read the halves of pairs from a CSV file with a header row.

    Args:
        path: The file; it has the columns nir and rgb (paths), and may have name, scene and split.

    Returns:
        Halves by the value of the column split; by "" without one.

    Raises:
        InputError: An unreadable file, no rows, a missing column, a row without its two paths, a
            split that does not exist, rows with a split beside rows without, a scene in two splits,
            a file listed twice, or a name that is not UTF-8.
    """
    halves: dict[str, list[Half]] = defaultdict(list)
    for number, row in _rows(path):
        files = [row.get(band) for band in BANDS]
        if not all(files):
            raise InputError(
                f"{path}:{number}: columns nir and rgb must each hold a path, not {files}; fill "
                "them in"
            )
        nir, rgb = (_resolve(path.parent, str(file)) for file in files)
        name = row.get("name") or nir.stem.removesuffix("_nir")
        scene = row.get("scene") or ""
        halves[row.get("split") or ""] += [
            Half(name, "nir", nir, scene),
            Half(name, "rgb", rgb, scene),
        ]
    _require_once(path, halves)
    _require_splits(path, halves)
    for members in halves.values():
        require_text(members)
    return dict(halves)


def _resolve(folder: Path, name: str) -> Path:
    r"""Return the file that a row names; `a\b.png`, written on Windows, is `a/b.png` elsewhere."""
    plain, converted = folder / name, folder / name.replace("\\", "/")
    return converted if os.path.exists(converted) and not os.path.exists(plain) else plain


def _rows(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    """Read the rows, each with the number of its line."""
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
    return rows


def _require_once(path: Path, halves: Mapping[str, Sequence[Half]]) -> None:
    """Refuse a table that puts a scene on two sides of a split, or lists a file twice."""
    sides: dict[str, set[str]] = defaultdict(set)
    for split, rows in halves.items():
        for half in rows:
            if half.scene:  # names may repeat from split to split
                sides[half.scene].add(split)
    divided = [
        f"{scene} ({', '.join(sorted(splits))})"
        for scene, splits in sides.items()
        if len(splits) > 1
    ]
    files = Counter(half.path.absolute() for rows in halves.values() for half in rows)
    repeated = [file.name for file, count in files.items() if count > 1]
    for names, fault, remedy in (
        (repeated, "files are listed more than once", "keep one row of each"),
        (divided, "scenes are in more than one split", "keep each in one"),
    ):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise InputError(f"{path}: {len(names)} {fault}: {shown}; {remedy}")


def _require_splits(path: Path, halves: Mapping[str, Sequence[Half]]) -> None:
    if not halves:
        raise InputError(f"{path}: has no rows; list a pair a row in columns nir and rgb")
    unknown = sorted(set(halves) - {*SPLITS, ""})
    if unknown:
        raise InputError(f"{path}: split = {unknown[0]!r}: must be one of {', '.join(SPLITS)}")
    if "" in halves and len(halves) > 1:
        raise InputError(f"{path}: some rows have no split; fill in all of them or none")
