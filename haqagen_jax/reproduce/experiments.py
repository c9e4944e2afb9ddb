"""The rows of the paper's tables and of the histogram's sweep: what each trains, and on what.

What several rows share is trained once: rows of one set with the same run are the same model.
"""

import dataclasses
from collections.abc import Sequence

from haqagen_jax.errors import InputError
from haqagen_jax.reproduce import published
from haqagen_jax.reproduce.published import Published

VCIP = "vcip2020"
COLORMAMBA = "configs/colormamba.py"
BASELINES = ("grey", "table")
TAUS = (0.01, 0.02, 0.04, 0.08)
BINS = (16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: Name of its directory.
        config: Configuration file and the beginning of its argument, as "FILE.py:ROW,"; the size
            is appended.
        overrides: "section.key=value" each.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: Label that is printed.
        set: Data set, a name of `haqagen dataset list`.
        subject: What is scored: a run, or a model by name; None for a method that is not
            reimplemented here.
        published: Scores that the paper reports, if any.
    """

    name: str
    set: str
    subject: Run | str | None
    published: Published | None = None


def rows(table: str) -> tuple[Row, ...]:
    """Return the rows of a table; baselines without learning come last.

    Args:
        table: One of `TABLES`.

    Returns:
        The rows, in the order in which they are printed.

    Raises:
        InputError: If there is no such table.
    """
    if table not in _ROWS:
        raise InputError(f"table = {table!r}: must be one of {', '.join(TABLES)}, stride-sweep")
    return _ROWS[table]


def named(data: Sequence[str]) -> dict[str, str]:
    """Parse "SET=DIR" arguments; without a set, VCIP 2020 is meant, the set of most tables.

    Args:
        data: "SET=DIR" or "DIR" each.

    Returns:
        Directory by set.

    Raises:
        InputError: If two directories are given for one set.
    """
    sets: dict[str, str] = {}
    for word in data:
        name, equals, directory = word.partition("=")
        name, directory = (name, directory) if equals else (VCIP, word)
        if name in sets:
            raise InputError(f"data = {word}: {name} is given already, as {sets[name]}; give one")
        sets[name] = directory
    return sets


def _ablation(row: str) -> Run:
    return Run(row, f"configs/ablations.py:{row},")


def _haqagen(name: str) -> Run:
    """Return the training on a data set; on VCIP 2020 it is the full row of the ablations."""
    return _FULL if name == VCIP else Run("full", f"configs/{name}.py:")


def _colormamba(name: str) -> Run:
    """Return the training of ColorMamba's own networks and losses on a data set.

    It is not the row "colormamba" of Table 4, which trains our networks with ColorMamba's losses.
    """
    return Run("colormamba-networks", f"{COLORMAMBA}:{name},")


def _set(name: str) -> tuple[Row, ...]:
    """Return the rows of Table 3 for a data set."""
    return (
        Row(f"{name}: ColorMamba", name, _colormamba(name), published.COLORMAMBA[name]),
        Row(f"{name}: HAQAGen", name, _haqagen(name), published.SETS[name]),
        *(Row(f"{name}: {baseline}", name, baseline) for baseline in BASELINES),
    )


def _histogram(tau: float, bins: int) -> Row:
    """Return the row of the sweep for one width and number of bins of the soft histogram."""
    name, run, scores = f"tau {tau}, {bins} bins", _FULL, published.HAQAGEN
    if (tau, bins) != (_TAU, _BINS):
        overrides = (f"loss.tau={tau}", f"loss.bins={bins}")
        run = dataclasses.replace(run, name=f"tau{tau}-bins{bins}", overrides=overrides)
        scores = None
    return Row(name, VCIP, run, scores)


_TAU, _BINS = 0.02, 64  # the paper's
_FULL = _ablation("full")
_METHODS = {"ColorMamba": _colormamba(VCIP)}  # the others are not reimplemented here
_BASELINES = tuple(Row(name, VCIP, name) for name in BASELINES)
_ROWS = {
    "table2": (
        *(
            Row(name, VCIP, _METHODS.get(name), scores)
            for name, scores in published.METHODS.items()
        ),
        Row("HAQAGen", VCIP, _FULL, published.HAQAGEN),
        *_BASELINES,
    ),
    "table3": tuple(row for name in published.SETS for row in _set(name)),
    "table4": (
        *(Row(name, VCIP, _ablation(name), scores) for name, scores in published.LOSSES.items()),
        *_BASELINES,
    ),
    "table5": (
        Row("without_spade", VCIP, _ablation("without_spade"), published.SPADE["without_spade"]),
        Row("with_spade", VCIP, _FULL, published.SPADE["with_spade"]),
        *_BASELINES,
    ),
    "histogram-sweep": (
        *(_histogram(tau, _BINS) for tau in TAUS),
        *(_histogram(_TAU, bins) for bins in BINS if bins != _BINS),
        *_BASELINES,
    ),
}
TABLES = tuple(_ROWS)
