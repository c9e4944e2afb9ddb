"""Every row that trains has a configuration, and says of the paper what the paper says."""

import pytest

from haqagen_jax.config.load import load_config
from haqagen_jax.errors import InputError
from haqagen_jax.reproduce.experiments import BASELINES, TABLES, Run, rows


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("size", ["paper", "tiny"])
def test_rows_build(table, size):
    table_rows = rows(table)
    assert len({row.name for row in table_rows}) == len(table_rows)
    runs = [(row.set, row.subject) for row in table_rows if isinstance(row.subject, Run)]
    assert runs
    configs = {
        (set_, run.name): load_config(run.config + size, run.overrides) for set_, run in runs
    }
    # No two folders hold the same training, and none holds two.
    assert len({(set_, repr(c)) for (set_, _), c in configs.items()}) == len(configs)
    assert len(set(runs)) == len(configs)


def test_the_papers_numbers():
    """Those of the main result, in the four tables that have it."""
    table2, table3, table4, table5 = (
        {row.name: row.published for row in rows(table)} for table in TABLES[:4]
    )
    assert table2["HAQAGen"] == table3["vcip2020: HAQAGen"] == (24.96, 0.71, 2.96, 0.18)
    assert table4["full"] == table5["with_spade"] == (24.96, 0.71, 2.96, None)
    assert table3["rgb2nir: ColorMamba"] == (17.22, 0.58, 29.30, 0.61)
    assert len(table2) == 10 + 1 + len(BASELINES)
    assert len(table3) == 4 * (2 + len(BASELINES))


def test_colormamba_is_trained_on_each_set_as_haqagen_is():
    """With its own networks and losses; the first crop and the schedule are the set's."""
    table2, table3 = ({row.name: row for row in rows(table)} for table in TABLES[:2])
    assert table2["ColorMamba"].subject == table3["vcip2020: ColorMamba"].subject
    assert table2["ColorMamba"].published == (24.56, 0.71, 2.81, 0.212)
    for name in ("fanvid", "omsiv", "vcip2020", "rgb2nir"):
        theirs, ours = (table3[f"{name}: {method}"].subject for method in ("ColorMamba", "HAQAGen"))
        theirs, ours = (load_config(f"{run.config}small") for run in (theirs, ours))
        assert (theirs.model.architecture, ours.model.architecture) == ("colormamba", "haqagen")
        assert (theirs.data, theirs.optim, theirs.train) == (ours.data, ours.optim, ours.train)


def test_the_sweep_changes_one_thing_at_a_time():
    seen = set()
    for row in rows("histogram-sweep"):
        if isinstance(row.subject, Run):
            loss = load_config(row.subject.config + "paper", row.subject.overrides).loss
            assert loss.tau == 0.02 or loss.bins == 64
            assert row.name == f"tau {loss.tau}, {loss.bins} bins"
            seen.add((loss.tau, loss.bins))
    assert {tau for tau, bins in seen if bins == 64} == {0.01, 0.02, 0.04, 0.08}
    assert {bins for tau, bins in seen if tau == 0.02} == {16, 32, 64, 128, 256}


def test_no_such_table():
    with pytest.raises(InputError, match="table = 'table6': must be one of table2, table3, "):
        rows("table6")
