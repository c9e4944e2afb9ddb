"""Format scores as text, Markdown, LaTeX, CSV and JSON."""

import csv
import io
import math
from collections.abc import Mapping, Sequence

from haqagen_jax.errors import printable
from haqagen_jax.evaluation.statistics import LEVEL, RESAMPLES, Summary, summarize
from haqagen_jax.system import strict_json

Scores = Mapping[str, Mapping[str, float]]  # image -> column -> value
Summaries = Mapping[str, Mapping[str, Summary]]  # model -> column -> over all images

_DIGITS = {"PSNR": 2, "SSIM": 3, "AE": 2, "dE2000": 2, "LPIPS": 3, "colourfulness": 1}
_INFINITE = "PSNR"  # the metric that is infinite for identical images
IDENTICAL = "identical"
_OTHER_DIGITS = 3  # of columns that are not metrics, as seconds
_BEST = {"PSNR": max, "SSIM": max, "AE": min, "dE2000": min, "LPIPS": min}
_LATEX = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {sign: f"\\{sign}" for sign in "&%$#_{}"}
)


def summarize_models(scores: Mapping[str, Scores]) -> dict[str, dict[str, Summary]]:
    """Summarize every column of every model over all images.

    Args:
        scores: Scores by model; every model has the same columns and at least one image.

    Returns:
        Model -> column -> summary.
    """
    return {
        model: {
            column: summarize([row[column] for row in rows.values()])
            for column in next(iter(rows.values()))
        }
        for model, rows in scores.items()
    }


def text(summaries: Summaries) -> str:
    """Format the means as an aligned table, which is also valid Markdown.

    Args:
        summaries: Summaries by model; every model has the same columns.

    Returns:
        A line for each model. With several models, the best value of each column is marked with an
        asterisk, and a line below says so; so does one of the images that are identical.
    """
    columns = list(next(iter(summaries.values())))
    rows = []
    for model, row in summaries.items():
        marks = ["*" if column in best_columns(summaries, model) else "" for column in columns]
        cells = [average(column, row[column]) for column in columns]
        rows.append([model, *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    lines = [aligned(["model", *columns], rows)]
    if len(summaries) > 1:
        lines += ["", "The best of each column is marked *."]
    if note := identical_note(summaries):
        lines += ["", note]
    return "\n".join(lines)


def identical_note(summaries: Summaries) -> str:
    """Say how many predictions are identical to the truth.

    Args:
        summaries: Summaries by model.

    Returns:
        A line; "" if there is none.
    """
    counts = {model: max(x.identical for x in row.values()) for model, row in summaries.items()}
    listed = ", ".join(f"{model} {count}" for model, count in counts.items() if count)
    text = "Predictions identical to the truth, whose PSNR is infinite and in no mean: "
    return f"{text}{listed}." if listed else ""


def markdown(summaries: Summaries, pairs: int) -> str:
    """Format the means as Markdown, with a second table of deviations and intervals.

    Args:
        summaries: Summaries by model; every model has the same columns.
        pairs: Number of pairs that were summarized.

    Returns:
        The Markdown.
    """
    columns = list(next(iter(summaries.values())))
    rows = [[model, *(spread(c, row[c]) for c in columns)] for model, row in summaries.items()]
    note = (
        f"Mean ± standard deviation [{LEVEL:.0%} interval of the mean] over {pairs} pairs; the "
        f"intervals are percentiles of {RESAMPLES:,} bootstrap samples of the pairs."
    )
    return "\n".join([text(summaries), "", aligned(["model", *columns], rows), "", note]) + "\n"


def latex(summaries: Summaries, pairs: int) -> str:
    r"""Format the second table of `markdown` as LaTeX, which needs `\usepackage{booktabs}`.

    Args:
        summaries: Summaries by model; every model has the same columns.
        pairs: Number of pairs that were summarized.

    Returns:
        The LaTeX source.
    """
    columns = list(next(iter(summaries.values())))
    lines = [
        f"% mean, standard deviation and {LEVEL:.0%} bootstrap interval of the mean, {pairs} pairs"
    ]
    if note := identical_note(summaries):
        lines.append(f"% {printable(note)}")
    lines += [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
    lines += [" & ".join(["model", *map(_escaped, columns)]) + r" \\", r"\midrule"]
    for model, row in summaries.items():
        cells = []
        for column in columns:
            if _is_perfect(row[column]):
                cells.append(IDENTICAL)
                continue
            mean, deviation, low, high = (_math(column, value) for value in row[column][:4])
            if column in best_columns(summaries, model):
                mean = rf"\mathbf{{{mean}}}"
            cells.append(rf"${mean} \pm {deviation}$ {{\scriptsize$[{low}, {high}]$}}")
        lines.append(" & ".join([_escaped(model), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def scores_csv(scores: Mapping[str, Scores], notes: Mapping[str, str] | None = None) -> str:
    """Format every image's values as CSV; infinite and NaN values become empty cells.

    So a program that averages a column leaves out what `summarize` leaves out.

    Args:
        scores: Scores by model; every model has the same columns and at least one image.
        notes: What is to be known of an image, by its name.

    Returns:
        The CSV, with a header. Its last column holds notes, and says which images are identical.
    """
    table = io.StringIO()
    columns = list(next(iter(next(iter(scores.values())).values())))
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["model", "image", *columns, "note"])
    for model, rows in scores.items():
        for image, row in rows.items():
            values = (row[name] for name in columns)
            cells = (f"{value:.6g}" if math.isfinite(value) else "" for value in values)
            known = [IDENTICAL] if math.inf in row.values() else []
            if notes and image in notes:
                known.append(notes[image])
            writer.writerow([model, image, *cells, "; ".join(known)])
    return table.getvalue()


def summary_json(summaries: Summaries, facts: Mapping[str, object]) -> str:
    """Format summaries as JSON; values that are not defined become null.

    Args:
        summaries: Summaries by model.
        facts: Further entries of the object, JSON values.

    Returns:
        The JSON.
    """
    models = {model: plain(row) for model, row in summaries.items()}
    return strict_json.dumps({**facts, "models": models}, indent=2) + "\n"


def plain(row: Mapping[str, Summary]) -> dict[str, dict[str, float | int | None]]:
    """Convert summaries to JSON values; values that are not defined become None.

    Args:
        row: Summaries by column.

    Returns:
        Column -> field of `Summary` -> value; "identical" of PSNR alone, where it is always there.
    """
    values = {column: strict_json.finite(summary._asdict()) for column, summary in row.items()}
    for column, fields in values.items():
        if not column.startswith(_INFINITE):
            del fields["identical"]
    return values


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format cells as a Markdown table that reads well as text.

    Args:
        head: Names of the columns.
        rows: Rows of as many cells. The first is aligned to the left, the others to the right.

    Returns:
        The table, without a line end.
    """
    grid = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in grid) for i in range(len(head))]
    lines = ["| " + " | ".join(_pad(line, widths)) + " |" for line in grid]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(lines)


def number(column: str, value: float) -> str:
    """Format a value with the digits of its column.

    Args:
        column: Name of the column, as "PSNR sRGB".
        value: Value, which may be infinite or NaN.

    Returns:
        The formatted value; "identical" for an infinite PSNR.
    """
    if value == math.inf and column.startswith(_INFINITE):
        return IDENTICAL
    return f"{value:.{_DIGITS.get(column.split()[0], _OTHER_DIGITS)}f}"


def average(column: str, summary: Summary) -> str:
    """Format a mean.

    Args:
        column: Name of the column.
        summary: Summary of the column.

    Returns:
        The mean with the digits of its column; "identical" if all images are.
    """
    return IDENTICAL if _is_perfect(summary) else number(column, summary.mean)


def spread(column: str, summary: Summary, mark: str = "") -> str:
    """Format a mean with its deviation and interval.

    Args:
        column: Name of the column.
        summary: Summary of the column.
        mark: Text that follows the mean.

    Returns:
        The text, as "21.00 ± 1.41 [20.00, 22.00]"; "identical" if all images are.
    """
    if _is_perfect(summary):
        return f"{IDENTICAL}{mark}"
    mean, deviation, low, high = (number(column, value) for value in summary[:4])
    return f"{mean}{mark} ± {deviation} [{low}, {high}]"


def best_columns(summaries: Summaries, model: str) -> list[str]:
    """Return the columns in which a model is the best, if there are several models.

    Args:
        summaries: Summaries by model; every model has the same columns.
        model: One of the models.

    Returns:
        Names of columns; none for a single model.
    """
    own = summaries[model]
    if len(summaries) < 2:
        return []
    return [
        column
        for column, summary in own.items()
        if (choose := _BEST.get(column.split()[0]))
        and _rank(summary) == choose(_rank(row[column]) for row in summaries.values())
    ]


def _is_perfect(summary: Summary) -> bool:
    """Tell a column in which all images are identical to the truth."""
    return summary.identical > 0 and math.isnan(summary.mean)


def _rank(summary: Summary) -> float:
    return math.inf if _is_perfect(summary) else summary.mean


def _math(column: str, value: float) -> str:
    shown = number(column, value)
    return {"inf": r"\infty", "-inf": r"-\infty", "nan": r"\text{--}"}.get(shown, shown)


def _escaped(words: str) -> str:
    return words.translate(_LATEX)


def _pad(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = line
    return [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]
