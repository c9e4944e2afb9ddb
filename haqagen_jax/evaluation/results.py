"""The files of an evaluation: every image's values, summaries, and the page."""

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


def prepare(directory: Path, *, overwrite: bool) -> None:
    """Make sure that results can be written, before models run.

    Args:
        directory: Directory of the results; made if it does not exist.
        overwrite: Whether files of an earlier run may be replaced.

    Raises:
        InputError: If there are such files, or the directory cannot be written into.
    """
    for name in FILES:
        if not overwrite and os.path.lexists(directory / name):
            raise InputError(
                f"{directory / name}: exists; add --overwrite or choose another folder with --out"
            )
    prepare_folder(directory)


def facts(
    data: str, split: str | None, evaluation: Evaluation, settings: Settings
) -> dict[str, Any]:
    """Describe an evaluation: its data, settings, version, device and date.

    Args:
        data: See `evaluate`.
        split: See `evaluate`.
        evaluation: The scores.
        settings: See `evaluate`.

    Returns:
        JSON values by name.
    """
    return {
        "data": data,
        "split": split,
        "pairs": len(evaluation.truth),
        "refused": list(evaluation.refused),
        "cropped": [f"{name}: {cut}" for name, cut in evaluation.cropped.items()],
        "colourfulness of the truth": round(statistics.fmean(evaluation.truth.values()), 2),
        "settings": dataclasses.asdict(settings),
        "version": __version__,
        "device": f"{jax.device_count()} {jax.devices()[0].device_kind}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def write(directory: Path, evaluation: Evaluation, about: Mapping[str, Any]) -> None:
    """Write `FILES`, each atomically; those of an earlier run are replaced.

    Args:
        directory: Directory of the results; made if it does not exist.
        evaluation: The scores.
        about: Description from `facts`.

    Raises:
        InputError: If a file cannot be written.
    """
    prepare_folder(directory)
    summaries, pairs = evaluation.summaries, len(evaluation.truth)
    contents = (
        tables.scores_csv(evaluation.scores, evaluation.cropped),
        tables.summary_json(summaries, about),
        tables.markdown(summaries, pairs),
        tables.latex(summaries, pairs),
        _page(evaluation, summaries, about),
    )
    for name, content in zip(FILES, contents, strict=True):
        # Names of files need not be valid UTF-8.
        write_bytes(directory / name, content.encode("utf-8", "backslashreplace"))


def _page(evaluation: Evaluation, summaries: Summaries, about: Mapping[str, Any]) -> str:
    shown = {
        model: [
            Shown(f"{label} {rank}" if rank > 1 else label, case)
            for label, cases in (("worst", extremes.worst()), ("best", extremes.best()))
            for rank, case in enumerate(cases, 1)
            if case.name in evaluation.truth  # it may have failed with another model
        ]
        for model, extremes in evaluation.extremes.items()
    }
    words = {name: _word(value) for name, value in about.items()}
    if note := tables.identical_note(summaries):
        words["identical"] = note
    columns = list(next(iter(summaries.values())))
    rows = [["model", *columns]]
    for model, row in summaries.items():
        best = tables.best_columns(summaries, model)
        cells = [tables.spread(c, row[c], mark="*" if c in best else "") for c in columns]
        rows.append([model, *cells])
    return report.page(f"Evaluation on {about['data']}", words, evaluation.scores, rows, shown)


def _word(value: object) -> str:
    """Format a value of the description for people."""
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {'automatic' if entry is None else entry}" for name, entry in value.items()
        )
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return "all" if value is None else str(value)
