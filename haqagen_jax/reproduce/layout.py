"""Format a table of the paper, our scores beside the published ones, as Markdown and JSON."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from haqagen_jax.errors import printable
from haqagen_jax.evaluation.scoring import Evaluation
from haqagen_jax.evaluation.statistics import Summary
from haqagen_jax.evaluation.tables import aligned, average, plain
from haqagen_jax.reproduce.experiments import COLORMAMBA, Row, Run
from haqagen_jax.system import strict_json
from haqagen_jax.version import __version__

SOURCE = "Attri et al., HAQAGen, WACV 2026"
# Column of the paper -> ours. The paper computes on linear sRGB (Sec. 4.1), other papers on sRGB.
_COLUMNS = {
    "PSNR": ("PSNR linear", "PSNR sRGB"),
    "SSIM": ("SSIM linear", "SSIM sRGB"),
    "AE": ("AE linear", "AE sRGB"),
    "LPIPS": ("LPIPS",),
}


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of one row.

    Attributes:
        row: Row of the table.
        scores: Our scores, of one model; None for a method that is not reimplemented here, or where
            something is missing.
        missing: What is missing, if anything.
    """

    row: Row
    scores: Evaluation | None = None
    missing: str | None = None

    @property
    def ours(self) -> Mapping[str, Summary]:
        """Return our summaries by column; none without scores."""
        return next(iter(self.scores.summaries.values())) if self.scores else {}


def facts(table: str, sets: Mapping[str, str], size: str, overrides: Sequence[str]) -> dict:
    """Describe what a table was made of.

    Args:
        table: Name of the table.
        sets: Data directory by set.
        size: Size of the networks.
        overrides: Overrides of the configuration, "section.key=value" each.

    Returns:
        JSON values by name.
    """
    return {
        "table": table,
        "published": SOURCE,
        "data": dict(sets),
        "size": size,
        "overrides": list(overrides),
        "version": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def markdown(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """Format a table as Markdown, with notes below.

    Args:
        results: Outcomes of its rows.
        about: Description from `facts`.

    Returns:
        The Markdown.
    """
    ours = [result.ours for result in results]
    head, cells = ["row"], [[result.row.name] for result in results]
    for metric, columns in _COLUMNS.items():
        published = [getattr(result.row.published, metric.lower(), None) for result in results]
        if any(value is not None for value in published):
            head.append(f"{metric}: paper")
            for line, value in zip(cells, published, strict=True):
                line.append("" if value is None else f"{value:g}")
        for column in columns:
            if not any(column in row for row in ours):
                continue
            head.append(column if len(columns) > 1 else f"{column}: ours")
            for line, row in zip(cells, ours, strict=True):
                line.append(average(column, row[column]) if column in row else "")
    notes = [f'"paper" is {SOURCE}; all others are ours.', _training(about)]
    notes += [f"{name}: {directory}" for name, directory in about["data"].items()]
    if any(result.row.subject is None for result in results):
        notes.append("Rows of other methods that are not trained here are the paper's alone.")
    if any(_is_colormamba(result.row) for result in results):
        notes.append(f"ColorMamba is trained here too; {COLORMAMBA} says what is not as published.")
    notes += [f"{r.row.name}: not done: {r.missing}" for r in results if r.missing]
    return "\n".join([aligned(head, cells), "", *map(printable, notes)]) + "\n"


def as_json(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    """Format a table as JSON.

    Args:
        results: Outcomes of its rows.
        about: Description from `facts`.

    Returns:
        The JSON.
    """
    rows = [
        {
            "row": result.row.name,
            "set": result.row.set,
            "published": result.row.published and result.row.published._asdict(),
            "ours": plain(result.ours),
            "pairs": len(result.scores.truth) if result.scores else 0,
            "missing": result.missing,
        }
        for result in results
    ]
    return strict_json.dumps({**about, "rows": rows}, indent=2) + "\n"


def _is_colormamba(row: Row) -> bool:
    return isinstance(row.subject, Run) and row.subject.config.startswith(COLORMAMBA)


def _training(about: Mapping[str, Any]) -> str:
    if about["size"] == "paper" and not about["overrides"]:
        return "Ours are trained as the paper says."
    words = ", ".join([f"size {about['size']}", *about["overrides"]])
    return f"A demonstration, not the paper's training: {words}."
