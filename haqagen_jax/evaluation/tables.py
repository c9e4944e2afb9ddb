"""Scores as text, Markdown, CSV and JSON."""

import csv
import io
import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path

from haqagen_jax.errors import InputError, reason
from haqagen_jax.files import prepare_folder

Scores = dict[str, dict[str, float]]  # image -> column -> value

FILES = ("scores.csv", "summary.json", "table.md")
_DIGITS = {"PSNR": 2, "SSIM": 3, "AE": 2}
_BETTER = {"PSNR": "up", "SSIM": "up", "AE": "down"}


def means(scores: Scores) -> dict[str, float]:
    """Averages every column over the images.

    Args:
        scores: of one model, at least one image.
    """
    columns = next(iter(scores.values()))
    return {name: statistics.fmean(row[name] for row in scores.values()) for name in columns}


def text(scores: Mapping[str, Scores]) -> str:
    """Lays the means out as an aligned table, which is Markdown too.

    Args:
        scores: by model; every model has the same columns and at least one image.

    Returns:
        A line a model; with several, the best value of each column is marked with an asterisk, and
        a line below says so.
    """
    averages = {model: means(rows) for model, rows in scores.items()}
    columns = list(next(iter(averages.values())))
    grid = [["model", *columns]]
    for model, row in averages.items():
        grid.append([model, *(_cell(name, row[name], averages) for name in columns)])
    widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
    lines = ["| " + " | ".join(_pad(line, widths)) + " |" for line in grid]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    if len(averages) > 1:
        lines += ["", "The best of each column is marked *."]
    return "\n".join(lines)


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Makes sure that results can be written, before the work.

    Args:
        folder: made if need be.
        overwrite: files of an earlier run may be replaced.

    Raises:
        InputError: there are such files, or the folder cannot be written into.
    """
    for name in FILES:
        if not overwrite and os.path.lexists(folder / name):
            raise InputError(
                f"{folder / name}: exists; add --overwrite or choose another folder with --out"
            )
    prepare_folder(folder)


def write(folder: Path, scores: Mapping[str, Scores], data: str) -> None:
    """Writes `scores.csv`, `summary.json` and `table.md`.

    Args:
        folder: of `prepare`; files of these names are replaced.
        scores: by model.
        data: where the pairs came from, for the record.

    Raises:
        InputError: a file cannot be written.
    """
    table = io.StringIO()
    columns = list(means(next(iter(scores.values()))))
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["model", "image", *columns])
    for model, rows in scores.items():
        for image, row in rows.items():
            writer.writerow([model, image, *(f"{row[name]:.6g}" for name in columns)])
    summary = {
        "data": data,
        "pairs": len(next(iter(scores.values()))),
        "models": {model: means(rows) for model, rows in scores.items()},
    }
    contents = (table.getvalue(), json.dumps(summary, indent=2) + "\n", text(scores) + "\n")
    try:
        for name, content in zip(FILES, contents, strict=True):
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written into ({reason(error)}); choose another folder with --out"
        ) from None


def _cell(column: str, value: float, averages: Mapping[str, Mapping[str, float]]) -> str:
    metric = column.split()[0]
    choose = max if _BETTER[metric] == "up" else min
    best = choose(row[column] for row in averages.values())
    mark = "*" if value == best and len(averages) > 1 else ""
    return f"{value:.{_DIGITS[metric]}f}{mark}"


def _pad(line: list[str], widths: list[int]) -> list[str]:
    first, *rest = line
    return [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
