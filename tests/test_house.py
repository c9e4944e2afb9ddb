"""`benchmarks/house.py`: how the package's figures are counted, and that they can be."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("house", ROOT / "benchmarks/house.py")
assert SPEC is not None
assert SPEC.loader is not None
house = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(house)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], (0, 0)),
        ([(None, "a")], (1, 0)),
        ([("a", "b")], (2, 0)),  # recorded from within `a`
        ([(None, "a"), ("a", "b"), ("b", "c")], (3, 0)),
        ([(None, "a"), ("a", "b"), ("a", "c")], (4, 1)),
        ([(None, "a"), ("a", "b"), ("b", "a")], (3, 0)),
        ([(None, "a"), ("a", "b"), (None, "a")], (3, 0)),
    ],
)
def test_stays_and_returns(steps, expected):
    assert house.count_stays(steps) == expected


def test_below_is_transitive():
    assert house.below({("a", "b"), ("b", "c"), ("c", "d")})["a"] == {"b", "c", "d"}


def test_a_file_is_opened_once(tmp_path):
    parts, openings = house.walk(ROOT, "opening a PNG", tmp_path)
    assert openings == 1
    assert parts[0][0] == [None, "images.source"]
    assert ["images.source", "images.decode"] in parts[0]


def table(*words: str) -> dict[str, str]:
    """The figures that the command prints."""
    command = [sys.executable, str(ROOT / "benchmarks/house.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    head, rule, *rows = (line.strip("| ").split(" | ") for line in done.stdout.splitlines())
    assert (head, rule) == (["figure", "here"], ["---|--:"])
    return dict(rows)


def test_rooms_and_lengths():
    rows = table("--only", "rooms", "lengths")
    assert 20 < int(rows["rooms"]) < 40
    assert rows["arrows up"] == "0"
    assert rows["circles of rooms"] == "none"
    assert int(rows["longest file, 1"].partition(" ")[0]) <= 300


@pytest.mark.slow
def test_walks_docstrings_and_answers():
    rows = table("--only", "walks", "docstrings", "answers")
    walks = {name: cells.split(", ") for name, cells in rows.items() if ": stays" in name}
    assert len(walks) == len(house.WALKS)
    for cells in walks.values():
        stays, returns, modules, climbs, openings = map(int, cells)
        assert stays > max(returns, modules, 5)
        assert modules > climbs
        assert openings >= 0
    assert rows["Args, of those that take something"].startswith("100 %")
    assert 0 < float(rows["haqagen --help, s"]) < 5
