"""Scores as text, Markdown, LaTeX, CSV and JSON."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

from haqagen_jax.evaluation.statistics import LEVEL, RESAMPLES, Summary, summarize
from haqagen_jax.system import strict_json

Scores = Mapping[str, Mapping[str, float]]  # image -> column -> value
Summaries = Mapping[str, Mapping[str, Summary]]  # model -> column -> over all images

_DIGITS = {"PSNR": 2, "SSIM": 3, "AE": 2, "dE2000": 2, "LPIPS": 3, "colourfulness": 1}
_SECONDS = 3  # digits of columns that are no metric
_BEST = {"PSNR": max, "SSIM": max, "AE": min, "dE2000": min, "LPIPS": min}
_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {sign: f"\\{sign}" for sign in "&%$#_{}"}
)


def summaries(scores: Mapping[str, Scores]) -> dict[str, dict[str, Summary]]:
    """Sums every column up.

    Args:
        scores: by model; every model has the same columns and at least one image.
    """
    return {
        model: {
            column: summarize([row[column] for row in rows.values()])
            for column in next(iter(rows.values()))
        }
        for model, rows in scores.items()
    }


def text(found: Summaries) -> str:
    """Lays the means out as an aligned table, which is Markdown too.

    Args:
        found: every model has the same columns.

    Returns:
        A line a model; with several, the best value of each column is marked with an asterisk, and
        a line below says so.
    """
    columns = list(next(iter(found.values())))
    rows = []
    for model, row in found.items():
        marks = ["*" if column in bests(found, model) else "" for column in columns]
        cells = [number(column, row[column].mean) for column in columns]
        rows.append([model, *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    lines = [aligned(["model", *columns], rows)]
    if len(found) > 1:
        lines += ["", "The best of each column is marked *."]
    return "\n".join(lines)


def markdown(found: Summaries, pairs: int) -> str:
    """Writes the means, and a second table with deviations and intervals.

    Args:
        found: every model has the same columns.
        pairs: that they are over.
    """
    columns = list(next(iter(found.values())))
    rows = [[model, *(spread(c, row[c]) for c in columns)] for model, row in found.items()]
    note = (
        f"Mean ± standard deviation [{LEVEL:.0%} interval of the mean] over {pairs} pairs; the "
        f"intervals are percentiles of {RESAMPLES:,} bootstrap samples of the pairs."
    )
    return "\n".join([text(found), "", aligned(["model", *columns], rows), "", note]) + "\n"


def latex(found: Summaries, pairs: int) -> str:
    r"""Writes the second table of `markdown` for LaTeX; it needs `\usepackage{booktabs}`.

    Args:
        found: every model has the same columns.
        pairs: that they are over.
    """
    columns = list(next(iter(found.values())))
    lines = [
        f"% mean, standard deviation and {LEVEL:.0%} bootstrap interval of the mean, {pairs} pairs"
    ]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
    lines += [" & ".join(["model", *map(_escaped, columns)]) + r" \\", r"\midrule"]
    for model, row in found.items():
        cells = []
        for column in columns:
            mean, deviation, low, high = (_math(column, value) for value in row[column])
            if column in bests(found, model):
                mean = rf"\mathbf{{{mean}}}"
            cells.append(rf"${mean} \pm {deviation}$ {{\scriptsize$[{low}, {high}]$}}")
        lines.append(" & ".join([_escaped(model), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def comma_separated(scores: Mapping[str, Scores]) -> str:
    """Writes every image's values as CSV; what is no finite number is an empty cell.

    Args:
        scores: by model; every model has the same columns and at least one image.
    """
    table = io.StringIO()
    columns = list(next(iter(next(iter(scores.values())).values())))
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["model", "image", *columns])
    for model, rows in scores.items():
        for image, row in rows.items():
            values = (row[name] for name in columns)
            cells = (f"{value:.6g}" if math.isfinite(value) else "" for value in values)
            writer.writerow([model, image, *cells])
    return table.getvalue()


def summary_json(found: Summaries, facts: Mapping[str, object]) -> str:
    """Writes the sums as JSON; what is no finite number is null.

    Args:
        found: by model.
        facts: what else to say.
    """
    models = {model: plain(row) for model, row in found.items()}
    return strict_json.dumps({**facts, "models": models}, indent=2) + "\n"


def plain(row: Mapping[str, Summary]) -> dict[str, dict[str, float | None]]:
    """Turns sums into what JSON holds; what is no finite number becomes None.

    Args:
        row: by column.
    """
    return {column: strict_json.finite(summary._asdict()) for column, summary in row.items()}


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lays cells out as a Markdown table that reads well as text; all but the first are numbers.

    Args:
        head: of the columns.
        rows: as many cells each.
    """
    grid = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in grid) for i in range(len(head))]
    lines = ["| " + " | ".join(_pad(line, widths)) + " |" for line in grid]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def number(column: str, value: float) -> str:
    """Rounds a value as its column is printed.

    Args:
        column: as "PSNR sRGB".
        value: any.
    """
    return f"{value:.{_DIGITS.get(column.split()[0], _SECONDS)}f}"


def spread(column: str, summary: Summary, mark: str = "") -> str:
    """Writes a mean with its deviation and interval.

    Args:
        column: of it.
        summary: of it.
        mark: behind the mean.
    """
    mean, deviation, low, high = (number(column, value) for value in summary)
    return f"{mean}{mark} ± {deviation} [{low}, {high}]"


def bests(found: Summaries, model: str) -> list[str]:
    """Lists the columns that a model is the best in, if there are several models.

    Args:
        found: every model has the same columns.
        model: one of them.
    """
    own = found[model]
    if len(found) < 2:
        return []
    return [
        column
        for column, summary in own.items()
        if (choose := _BEST.get(column.split()[0]))
        and summary.mean == choose(row[column].mean for row in found.values())
    ]


def _math(column: str, value: float) -> str:
    shown = number(column, value)
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\text{--}"}.get(shown, shown)


def _escaped(words: str) -> str:
    return words.translate(_LATEX)


def _pad(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = line
    return [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
