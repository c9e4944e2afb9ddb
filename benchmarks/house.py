"""How easily the package is read: rooms, walks through them, docstrings, lengths, first answers.

    python benchmarks/house.py
    python benchmarks/house.py --package OLD . --only rooms docstrings lengths

A column for each checkout. Imports and docstrings are read as `tests/test_architecture.py` and
`tests/test_docstrings.py` read them; what `benchmarks/walks.py` records of a walk is counted:

stays     runs in one module
returns   those of them that go on in a module after a call from it
modules   how many different ones are visited
climbs    pairs of rooms, the first of which calls the second and is imported by it, if indirectly
openings  of the walk's file, in Python

The last rows are seconds of CPU of whole processes, the median of five.
"""

import argparse
import ast
import functools
import graphlib
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROUNDS = 5
WALKS = (
    "a PNG through colorize",
    "a large TIFF through colorize",
    "opening a PNG",
    "opening a large TIFF",
    "a pair, disk to loss",
    "the whole Config",
    "a model, disk to network",
)
ANSWERS = (
    "--help",
    "--version",
    "colorize a.png -o b --mode nonsense",
    "colorize nowhere.png -o b",
    "evaluate --data nowhere",
    "train --data nowhere --workdir w",
    "info nowhere",
)
ASPECTS = {
    "docstring": "public functions",
    "Args": "those that take something",
    "Returns": "those that return something",
    "Raises": "those that raise a public error themselves",
}
COUNTED = ("stays", "returns", "modules", "climbs", "openings")
Rows = Iterator[tuple[str, str]]
Steps = Sequence[tuple[str | None, str]]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--package", nargs="+", type=Path, default=[ROOT], help="checkouts")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=[*MEASURES])
    args = parser.parse_args()
    columns = {}
    for checkout in args.package:
        measured = (MEASURES[name](checkout.resolve()) for name in args.only)
        columns[str(checkout)] = {name: value for rows in measured for name, value in rows}
    names = dict.fromkeys(name for column in columns.values() for name in column)
    heads = columns if len(columns) > 1 else ["here"]
    print(f"| figure | {' | '.join(heads)} |\n|---|{'--:|' * len(columns)}")
    for name in names:
        print(f"| {name} | {' | '.join(column.get(name, '') for column in columns.values())} |")


@functools.cache
def reader(name: str) -> Any:
    """Load a file of tests/, which reads the source of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def arrows(checkout: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """Return the rooms of a checkout, and (room, imported room) of different rooms."""
    read = reader("test_architecture")
    read.ROOT = checkout
    modules = read.package_modules()
    known = {module.name for module in modules}
    rooms = {read.room_of(name) for name in known}
    found = {
        (read.room_of(module.name), read.room_of(target))
        for module in modules
        for _, target in read.inner_imports(module, known)
    }
    return rooms - read.DOORS, {(a, b) for a, b in found if a != b and a not in read.DOORS}


def below(found: set[tuple[str, str]]) -> dict[str, set[str]]:
    """Return all rooms that a room imports, directly or not."""
    reached = {room: {b for a, b in found if a == room} for room, _ in found}
    for _ in reached:
        for rooms in reached.values():
            rooms |= {room for other in rooms for room in reached.get(other, ())}
    return reached


def rooms(checkout: Path) -> Rows:
    """Count rooms and arrows."""
    names, found = arrows(checkout)
    yield "rooms", str(len(names))
    yield "modules in the root", str(len(list((checkout / "haqagen_jax").glob("[!_]*.py"))))
    yield "arrows between rooms", str(len(found))
    order = list(reader("test_architecture").ROOMS)
    known = [(a, b) for a, b in found if a in order and b in order]
    up = sum(order.index(a) < order.index(b) for a, b in known)
    # The table of this checkout does not know the rooms of another one.
    yield "arrows up", str(up) if len(known) == len(found) else "unknown"
    graph = {room: {b for a, b in found if a == room} for room in names}
    try:
        graphlib.TopologicalSorter(graph).prepare()
        yield "circles of rooms", "none"
    except graphlib.CycleError as error:
        yield "circles of rooms", " <- ".join(error.args[1])


def count_stays(steps: Steps) -> tuple[int, int]:
    """Count runs in one module, and the returns among them."""
    count, returns, current = 0, 0, None
    for caller, called in steps:
        count += 1 + (caller is not None and caller != current)
        returns += current is not None and caller is not None and caller != current
        current = called
    return count, returns


def walks(checkout: Path) -> Rows:
    """Do the walks, and count."""
    lower = below(arrows(checkout)[1])
    with tempfile.TemporaryDirectory() as cache:
        for name in WALKS:
            parts, openings = walk(checkout, name, Path(cache))
            counts = [count_stays(part) for part in parts]
            steps = [step for part in parts for step in part]
            modules = {module for step in steps for module in step if module is not None}
            rooms = {tuple((x or "").partition(".")[0] for x in step) for step in steps}
            climbs = sum(a in lower.get(b, ()) and b not in lower.get(a, ()) for a, b in rooms)
            cells = [*map(sum, zip(*counts, strict=True)), len(modules), climbs, openings]
            yield f"{name}: {', '.join(COUNTED)}", ", ".join(map(str, cells))


def walk(checkout: Path, name: str, cache: Path) -> tuple[list[Steps], int]:
    """Do a walk in a process of its own: its steps, and how often its file was opened."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "HAQAGEN_CACHE": str(cache),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    command = [sys.executable, str(ROOT / "benchmarks/walks.py"), name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result["steps"], result["openings"]


def docstrings(checkout: Path) -> Rows:
    """Measure the shares of public functions that say what there is to say."""
    counts, _ = reader("test_docstrings").measure(checkout / "haqagen_jax")
    for aspect, whose in ASPECTS.items():
        done, total = (sum(folder[aspect][i] for folder in counts.values()) for i in (0, 1))
        yield f"{aspect}, of {whose}", f"{100 * done / total:.0f} % of {total}"


def lengths(checkout: Path) -> Rows:
    """Measure files, and functions with their docstrings."""
    files, functions = {}, {}
    whole = set()
    for path in sorted((checkout / "haqagen_jax").rglob("*.py")):
        name, text = str(path.relative_to(checkout / "haqagen_jax")), path.read_text("utf-8")
        files[name] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions[f"{name}: {node.name}"] = lines_of(node)
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if any(arg.annotation and ast.unparse(arg.annotation) == "Config" for arg in given):
                    whole.add((name, node.name))
    yield "files", str(len(files))
    yield "lines of a file, median", f"{statistics.median(files.values()):.0f}"
    for what, sizes in (("file", files), ("function, without its docstring", functions)):
        for i, (name, size) in enumerate(sorted(sizes.items(), key=lambda x: -x[1])[:5], start=1):
            yield f"longest {what}, {i}", f"{size} ({name})"
    yield "functions of more than 50 lines", str(sum(size > 50 for size in functions.values()))
    modules = len({name for name, _ in whole})
    yield "functions that take a whole Config", f"{len(whole)} in {modules} modules"


def lines_of(function: ast.FunctionDef) -> int:
    """Count the lines of a function, its docstring left out."""
    text = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (len(text.splitlines()) if text else 0)


def answers(checkout: Path) -> Rows:
    """Measure how soon the command answers where there is nothing to compute."""
    for words in ANSWERS:
        times = []
        for _ in range(ROUNDS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run(
                    [sys.executable, "-m", "haqagen_jax", *words.split()],
                    env={**os.environ, "PYTHONPATH": str(checkout)},
                    cwd=folder,
                    capture_output=True,
                    check=False,
                )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            times.append(used)
        yield f"haqagen {words}, s", f"{statistics.median(times):.2f}"


MEASURES = {
    "rooms": rooms,
    "walks": walks,
    "docstrings": docstrings,
    "lengths": lengths,
    "answers": answers,
}

if __name__ == "__main__":
    main()
