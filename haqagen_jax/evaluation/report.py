"""The page of an evaluation: one self-contained HTML file.

Names of models and images come from users: they are escaped, whatever they hold.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.colors import to_hex

from haqagen_jax.errors import printable
from haqagen_jax.evaluation.case import COLORS, ERROR_SCALE, SIDE, Case
from haqagen_jax.evaluation.tables import number
from haqagen_jax.images.resize import clamp_size

_STOPS = 9  # color stops of the legend's gradient


@dataclasses.dataclass(frozen=True)
class Shown:
    """A case, and why it is shown.

    Attributes:
        label: "worst", "best" or another word.
        case: The case that is shown.
    """

    label: str
    case: Case


def page(
    title: str,
    facts: Mapping[str, str],
    scores: Mapping[str, Mapping[str, Mapping[str, float]]],
    summary: Sequence[Sequence[str]],
    cases: Mapping[str, Sequence[Shown]],
) -> str:
    """Render the page.

    Args:
        title: Title of the page.
        facts: What was evaluated and how, by name.
        scores: Model -> image -> column -> value; every row has the same columns, values may be
            infinite or NaN.
        summary: Table of formatted text: a header, then a row for each model.
        cases: What to show of each model, in this order; each image has scores of the model.

    Returns:
        The HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable, "sortable": _sortable}
    environment.filters |= {"points": _points, "shown_size": _shown_size}
    return environment.get_template("report.html").render(
        title=title,
        facts=facts,
        scores=scores,
        columns=_columns(scores),
        number=number,
        summary=summary,
        cases=cases,
        scale=ERROR_SCALE,
        colors=[to_hex(mpl.colormaps[COLORS](level)) for level in np.linspace(0, 1, _STOPS)],
    )


def _columns(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    return next((list(row) for rows in scores.values() for row in rows.values()), [])


def _sortable(value: float) -> str:
    """Format a number as JavaScript's Number() reads it."""
    return repr(float(value)).replace("inf", "Infinity").replace("nan", "NaN")


def _points(shares: Float[np.ndarray, " points"]) -> str:
    """Format a curve as points of an SVG line in a square of side 100, origin at the top left."""
    levels = np.linspace(0.0, 100.0, len(shares))
    return " ".join(f"{x:.1f},{100 - 100 * y:.1f}" for x, y in zip(levels, shares, strict=True))


def _shown_size(size: tuple[int, int]) -> tuple[int, int]:
    return clamp_size(size, SIDE)
