"""No tracked text waits for something to be filled in."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACEHOLDER = re.compile(r"\b(TABLE\d|MINUTES|TBD|TODO|FIXME|XXX|lorem ipsum)\b")
OWN = "tests/test_text.py"


def texts() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    kinds = (".md", ".py", ".toml", ".txt", ".sh", ".yaml", ".html", ".json", ".mk")
    names = listed.stdout.splitlines()
    return [name for name in names if name.endswith(kinds) or Path(name).name == "Makefile"]


def placeholders(text: str) -> list[str]:
    return PLACEHOLDER.findall(text)


def test_nothing_waits_to_be_filled_in():
    names = texts()
    assert {"README.md", "benchmarks/README.md", "Makefile"} <= set(names)
    found = {name: placeholders((ROOT / name).read_text("utf-8")) for name in names if name != OWN}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("text", ["2026-11-24:\n\nTABLE0\n", "in MINUTES minutes", "x  # TODO: y"])
def test_a_planted_placeholder_is_found(text):
    assert placeholders(text)
