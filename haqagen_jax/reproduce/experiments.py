"""The rows of the paper's tables and of the histogram's sweep: what each trains, and on what.

What several rows share is trained once: rows of one set with the same run are the same model.
"""

import dataclasses

from haqagen_jax.errors import InputError
from haqagen_jax.reproduce import published
from haqagen_jax.reproduce.published import Published

VCIP = "vcip2020"
COLORMAMBA = "configs/colormamba.py"
TABLES = ("table2", "table3", "table4", "table5", "histogram-sweep")
BASELINES = ("grey", "table")
TAUS = (0.01, 0.02, 0.04, 0.08)
BINS = (16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        name: of its folder.
        config: a configuration file and the beginning of its argument, as "FILE.py:ROW,"; the size
            is added.
        overrides: "section.key=value" each.
    """

    name: str
    config: str
    overrides: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: as it is printed.
        set: the data set, a name of `haqagen dataset list`.
        subject: what is scored: a run, or a model by name; None for a method that is not had here.
        published: what the paper reports, if it does.
    """

    name: str
    set: str
    subject: Run | str | None
    published: Published | None = None


def rows(table: str) -> list[Row]:
    """Lists the rows of a table; baselines without learning come last.

    Args:
        table: one of `TABLES`.

    Raises:
        InputError: there is no such table.
    """
    if table == "table2":
        methods = {**published.METHODS, "HAQAGen": published.HAQAGEN}
        trained = {"ColorMamba": _colormamba(VCIP), "HAQAGen": _ablation("full")}
        found = [Row(name, VCIP, trained.get(name), scores) for name, scores in methods.items()]
    elif table == "table3":
        found = [
            row
            for name, scores in published.SETS.items()
            for row in (
                Row(f"{name}: ColorMamba", name, _colormamba(name), published.COLORMAMBA[name]),
                Row(f"{name}: HAQAGen", name, _of_set(name), scores),
                *(Row(f"{name}: {baseline}", name, baseline) for baseline in BASELINES),
            )
        ]
    elif table == "table4":
        found = [Row(n, VCIP, _ablation(n), scores) for n, scores in published.LOSSES.items()]
    elif table == "table5":
        without, with_spade = published.SPADE.values()
        found = [
            Row("without_spade", VCIP, _ablation("without_spade"), without),
            Row("with_spade", VCIP, _ablation("full"), with_spade),  # the same model
        ]
    elif table == "histogram-sweep":
        found = _histograms()
    else:
        raise InputError(f"table = {table!r}: must be one of {', '.join(TABLES)}, stride-sweep")
    if table != "table3":
        found += [Row(baseline, VCIP, baseline) for baseline in BASELINES]
    return found


def _ablation(row: str) -> Run:
    return Run(row, f"configs/ablations.py:{row},")


def _of_set(name: str) -> Run:
    return _ablation("full") if name == VCIP else Run("full", f"configs/{name}.py:")


def _colormamba(name: str) -> Run:
    """Its networks and losses; Table 4 has a row "colormamba" of its losses on our networks."""
    return Run("colormamba-networks", f"{COLORMAMBA}:{name},")


def _histograms() -> list[Row]:
    """One of tau and B at a time, around the paper's tau = 0.02 and B = 64."""
    chosen = [(tau, 64) for tau in TAUS] + [(0.02, bins) for bins in BINS if bins != 64]
    found = []
    for tau, bins in chosen:
        run, paper = _ablation("full"), published.HAQAGEN
        if (tau, bins) != (0.02, 64):
            words = (f"loss.tau={tau}", f"loss.bins={bins}")
            run = dataclasses.replace(run, name=f"tau{tau}-bins{bins}", overrides=words)
            paper = None
        found.append(Row(f"tau {tau}, {bins} bins", VCIP, run, paper))
    return found
