"""The files that scores become."""

import dataclasses
import datetime
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from haqagen_jax.errors import InputError
from haqagen_jax.evaluation import report, tables
from haqagen_jax.evaluation.report import Shown
from haqagen_jax.evaluation.scoring import Evaluation
from haqagen_jax.evaluation.tables import Summaries
from haqagen_jax.inference.settings import Settings
from haqagen_jax.system.files import prepare_folder, write_bytes
from haqagen_jax.version import __version__

FILES = ("scores.csv", "summary.json", "table.md", "table.tex", "report.html")


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


def facts(data: str, split: str | None, found: Evaluation, settings: Settings) -> dict[str, Any]:
    """Says what scores are of.

    Args:
        data: see `evaluate`.
        split: see `evaluate`.
        found: the scores.
        settings: see `evaluate`.
    """
    return {
        "data": data,
        "split": split,
        "pairs": len(found.truth),
        "refused": list(found.refused),
        "colourfulness of the truth": round(statistics.fmean(found.truth.values()), 2),
        "settings": dataclasses.asdict(settings),
        "version": __version__,
        "device": f"{jax.device_count()} {jax.devices()[0].device_kind}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def write(folder: Path, found: Evaluation, about: Mapping[str, Any]) -> None:
    """Writes `FILES`; those of an earlier time are replaced.

    Args:
        folder: made if need be.
        found: the scores.
        about: from `facts`.

    Raises:
        InputError: a file cannot be written.
    """
    prepare_folder(folder)
    summaries, pairs = found.summaries, len(found.truth)
    contents = (
        tables.comma_separated(found.scores),
        tables.summary_json(summaries, about),
        tables.markdown(summaries, pairs),
        tables.latex(summaries, pairs),
        _page(found, summaries, about),
    )
    for name, content in zip(FILES, contents, strict=True):
        # Names of files may hold what is no text.
        write_bytes(folder / name, content.encode("utf-8", "backslashreplace"))


def _page(found: Evaluation, summaries: Summaries, about: Mapping[str, Any]) -> str:
    shown = {
        model: [
            Shown(f"{label} {place}" if place > 1 else label, case)
            for label, cases in (("worst", extremes.worst()), ("best", extremes.best()))
            for place, case in enumerate(cases, 1)
            if case.name in found.truth  # it may have failed with another model
        ]
        for model, extremes in found.extremes.items()
    }
    words = {name: _word(value) for name, value in about.items()}
    columns = list(next(iter(summaries.values())))
    rows = [["model", *columns]]
    for model, row in summaries.items():
        best = tables.bests(summaries, model)
        cells = [tables.spread(c, row[c], mark="*" if c in best else "") for c in columns]
        rows.append([model, *cells])
    return report.page(f"Evaluation on {about['data']}", words, found.scores, rows, shown)


def _word(value: object) -> str:
    """A fact as people read it."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {'automatic' if one is None else one}" for name, one in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "all" if value is None else str(value)
