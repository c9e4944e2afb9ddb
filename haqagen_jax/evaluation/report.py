"""The page of an evaluation: one file, which asks for nothing from elsewhere."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import matplotlib as mpl
from matplotlib.colors import to_hex

from haqagen_jax.evaluation.case import COLOURS, ERROR_SCALE, POINTS, Case
from haqagen_jax.evaluation.tables import Scores, Summaries, bests, number, spread

_CHANNELS = ("R", "G", "B")


@dataclasses.dataclass(frozen=True)
class Shown:
    """A case, and why it is shown.

    Attributes:
        label: as "worst" or "best".
        case: it.
    """

    label: str
    case: Case


def page(
    title: str,
    facts: Mapping[str, str],
    scores: Mapping[str, Scores],
    summaries: Summaries,
    cases: Mapping[str, Sequence[Shown]],
) -> str:
    """Writes the page.

    Args:
        title: of it.
        facts: what was evaluated, and how.
        scores: model -> image -> column -> value; all models have the same columns.
        summaries: of the scores.
        cases: by model.

    Returns:
        HTML.
    """
    columns = list(next(iter(summaries.values())))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=title,
        facts=facts,
        columns=columns,
        summary=[
            (
                model,
                [
                    (number(c, row[c].mean), spread(c, row[c]), c in bests(summaries, model))
                    for c in columns
                ],
            )
            for model, row in summaries.items()
        ],
        rows=[
            (model, image, [(number(c, row[c]), _sortable(row[c])) for c in columns])
            for model, images in scores.items()
            for image, row in images.items()
        ],
        models=list(scores),
        cases=[
            (model, one.label, one.case, _cells(scores[model][one.case.name], columns))
            for model, shown in cases.items()
            for one in shown
        ],
        curve=_curve,
        channels=list(enumerate(_CHANNELS)),
        error_scale=ERROR_SCALE,
        error_colours=[to_hex(mpl.colormaps[COLOURS](i / 8)) for i in range(9)],
    )


def _sortable(value: float) -> str:
    """As the page's script reads it; JavaScript knows no "inf"."""
    return repr(value) if math.isfinite(value) else {"inf": "Infinity"}.get(str(value), "NaN")


def _cells(row: Mapping[str, float], columns: Sequence[str]) -> list[tuple[str, str]]:
    return [(column, number(column, row[column])) for column in columns]


def _curve(shares: Sequence[float]) -> str:
    """The points of an SVG line in a square of side 100, the origin below."""
    return " ".join(
        f"{100 * i / (POINTS - 1):.1f},{100 * (1 - share):.1f}" for i, share in enumerate(shares)
    )
