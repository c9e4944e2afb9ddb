"""The rules of the house, proved on the source itself: nothing of the package is imported here.

Data flows one way. A room is a folder of the package, or a module in its root. `ROOMS` says what
each may import of the others, those below it first; `LIGHT` says what loads no jax. A failing test
prints `file:line: what is wrong`.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "haqagen_jax"
MAX_LINES = 300

# Lower rooms first. A room may import itself and what is listed, never a room that comes after it:
# `test_the_table_goes_one_way`.
ROOMS = {
    "errors": "",
    "version": "",
    "paper": "",
    "types": "",
    "ops": "",
    "synthetic": "",
    "system": "errors",
    "config": "errors paper system",
    "nir": "config errors",
    "images": "errors nir system",
    "artifact": "config errors system version",
    "models": "config errors nir ops paper types",
    "data": "config errors images nir synthetic system types",
    "inference": "config errors images nir ops paper system",
    "metrics": "models ops",
    "interop": "artifact config errors models system",
    "api": "artifact config errors inference models system",
    "cost": "config models paper",
    "losses": "config metrics ops paper types",
    "weights": "artifact errors interop system",
    "export": "api errors nir ops paper system",
    "evaluation": "api config data errors images inference metrics nir ops system version weights",
    "train": "config errors losses models ops paper types",
    "run": "artifact config cost data errors images interop losses metrics models ops paper "
    "system train types version weights",
    "reproduce": "api artifact config data errors evaluation inference losses run system version",
    "batch": "api errors images inference nir system version",
    "cli": "artifact batch config cost data errors evaluation export images inference interop "
    "models nir paper reproduce run system train version weights",
}
DOORS = {"", "__main__"}  # these may import anything of ours

# What of a room alone may import another room: the rest takes plain values.
NARROW = {
    ("losses", "config"): {"losses.objective"},
    ("models", "config"): {"models.factory", "models.baselines"},
    ("models", "nir"): {"models.baselines"},
}

# No files, network, terminal or data libraries; and all that these may import of others.
PURE = (
    *("errors", "paper", "types", "ops", "models", "losses", "metrics", "train", "nir"),
    *(f"config.{name}" for name in ("schema", "model", "data", "loss", "train", "checks")),
    *("synthetic", "images.levels"),
    *("inference.tiling", "inference.blend", "inference.forward", "inference.settings"),
)
PURE_IMPORTS = {
    *("abc", "collections", "contextlib", "dataclasses", "difflib", "enum", "functools"),
    *("itertools", "logging", "math", "operator", "typing", "unicodedata", "warnings"),
    *("flax", "jax", "jaxtyping", "numpy", "optax"),
}
PURE_FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}

# Importing these loads no jax, whatever they import: a command that is refused does not wait for
# it, and neither does reading data, whose worker processes must not open an accelerator.
LIGHT = (
    *("", "__main__", "errors", "paper", "version", "system", "config", "images", "nir"),
    *("synthetic", "data", "artifact", "batch.select", "batch.report", "batch.folders"),
    *("batch.naming", "batch.keep", "weights.catalog"),
    *("interop.packages", "evaluation.choices", "reproduce.experiments", "reproduce.published"),
    *("inference.tiling", "inference.settings"),
    *(f"cli.{name}" for name in ("main", "colorize", "train", "evaluate", "dataset", "weights")),
    *("cli.settings", "cli.ending", "cli.info"),
)
HEAVY = {"jax", "jaxlib", "flax", "optax", "orbax", "grain"}
NOT_LIGHT = {"data.pipeline"}  # Grain loads jax, and a batch is made of its arrays
# These name jax inside of a function, where it is loaded anyway.
LATE = {"system.cache", "system.device_memory"}


class Module(NamedTuple):
    """One source file; `name` is relative to the package, "" for its `__init__`."""

    name: str
    file: str
    source: str
    tree: ast.Module


class Import(NamedTuple):
    line: int
    target: str  # dotted
    names: tuple[str, ...]  # of `from target import names`
    level: int


def parse(name: str, source: str, file: str = "") -> Module:
    return Module(name, file or f"{name}.py", source, ast.parse(source))


def package_modules() -> list[Module]:
    modules = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        modules.append(parse(name, path.read_text("utf-8"), str(path.relative_to(ROOT))))
    return modules


def imports(module: Module, *, loading: bool = False) -> Iterator[Import]:
    """All imports; or those alone that happen when the module is loaded."""
    for node in _loaded(module.tree) if loading else ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, (), 0)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, node.module or "", names, node.level)


def _loaded(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is loaded: all but functions and what is under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (inner for other in node.orelse for inner in (other, *_loaded(other)))
            continue
        yield node
        yield from _loaded(node)


def inner_imports(
    module: Module, known: set[str], *, loading: bool = False
) -> Iterator[tuple[int, str]]:
    """Line and name of every module of the package that is imported."""
    for found in imports(module, loading=loading):
        head, _, rest = found.target.partition(".")
        if head != PACKAGE or found.level:
            continue
        inside = {f"{rest}.{name}".lstrip(".") for name in found.names} & known
        for target in inside or {rest}:
            yield found.line, target


def outer_imports(module: Module, *, loading: bool = False) -> Iterator[tuple[int, str]]:
    """Line and name of everything of others that is imported."""
    for found in imports(module, loading=loading):
        if found.target.partition(".")[0] != PACKAGE and not found.level:
            yield found.line, found.target


def room_of(name: str) -> str:
    return name.partition(".")[0]


def belongs(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or (room and name.startswith(f"{room}.")) for room in rooms)


def is_pure(name: str) -> bool:
    return belongs(name, PURE)


def is_light(name: str) -> bool:
    return belongs(name, LIGHT) and name not in NOT_LIGHT


def check_direction(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    wrong = []
    for module in modules:
        for found in imports(module):
            if found.level:
                wrong.append(f"{module.file}:{found.line}: relative import; write {PACKAGE}. out")
        if module.name in DOORS:
            continue
        room = room_of(module.name)
        if room not in ROOMS:
            wrong.append(f"{module.file}:1: belongs to no room of ROOMS; add it there")
            continue
        for line, target in inner_imports(module, known):
            other = room_of(target)
            narrow = module.name not in NARROW.get((room, other), {module.name})
            if other not in (room, *ROOMS[room].split()) or narrow:
                who = module.name if narrow else room
                wrong.append(f"{module.file}:{line}: {who} must not import {target or PACKAGE}")
    return wrong


def loaded_with(module: Module, known: dict[str, Module]) -> dict[str, tuple[int, list[str]]]:
    """Every module of ours that is loaded with one: the line it begins with, and the way to it."""
    ways: dict[str, tuple[int, list[str]]] = {}
    waiting = [(module, 0, [module.name or PACKAGE])]
    while waiting:
        current, first, way = waiting.pop(0)
        for line, target in inner_imports(current, set(known), loading=True):
            # A module is loaded after the `__init__` of every package that it is in.
            parts = target.split(".")
            for length in range(len(parts) + 1):
                name = ".".join(parts[:length])
                if name in known and name not in ways and name != module.name:
                    ways[name] = (first or line, [*way, name or PACKAGE])
                    waiting.append((known[name], *ways[name]))
    return ways


def check_light(modules: list[Module]) -> list[str]:
    """No jax where nobody should wait for it, neither here nor behind what is imported."""
    known = {module.name: module for module in modules}
    wrong = []
    for module in modules:
        if not is_light(module.name):
            continue
        for line, target in outer_imports(module, loading=module.name in LATE):
            if target.partition(".")[0] in HEAVY:
                wrong.append(f"{module.file}:{line}: {module.name} must not import {target}")
        for name, (line, way) in loaded_with(module, known).items():
            for _, target in outer_imports(known[name], loading=True):
                if target.partition(".")[0] in HEAVY:
                    told = " -> ".join([*way, target])
                    wrong.append(f"{module.file}:{line}: must not load {target}: {told}")
    return wrong


def check_purity(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    wrong = []
    for module in filter(lambda module: is_pure(module.name), modules):
        for found in imports(module):
            if found.target.partition(".")[0] not in PURE_IMPORTS | {PACKAGE}:
                what = f"{module.name} must not import {found.target}"
                wrong.append(f"{module.file}:{found.line}: {what}")
        for node in ast.walk(module.tree):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in PURE_FORBIDDEN_CALLS:
                what = f"{module.name} must not {called.id}()"
                wrong.append(f"{module.file}:{called.lineno}: {what}")
        wrong += [
            f"{module.file}:{line}: {module.name} is pure, {target or PACKAGE} is not"
            for line, target in inner_imports(module, known)
            if not is_pure(target)
        ]
    return wrong


def check_cycles(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    graph = {m.name: {t for _, t in inner_imports(m, known)} - {m.name} for m in modules}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        ring = [name or PACKAGE for name in error.args[1]]
        file = next(m.file for m in modules if m.name == error.args[1][0])
        return [f"{file}:1: circular import {' <- '.join(ring)}"]
    return []


def check_lengths(modules: list[Module]) -> list[str]:
    lengths = {module.file: len(module.source.splitlines()) for module in modules}
    return [
        f"{file}:{lines}: {lines} lines, more than {MAX_LINES}"
        for file, lines in lengths.items()
        if lines > MAX_LINES
    ]


def check_public_functions(modules: list[Module]) -> list[str]:
    wrong = []
    for module in modules:
        for node in module.tree.body:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if not function or node.name.startswith("_"):
                continue
            place = f"{module.file}:{node.lineno}: {node.name}"
            if ast.get_docstring(node) is None:
                wrong.append(f"{place} has no docstring")
            if node.returns is None:
                wrong.append(f"{place} has no return annotation")
            every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            stars = tuple(arg for arg in (node.args.vararg, node.args.kwarg) if arg)
            wrong += [
                f"{place}: argument {arg.arg} has no annotation"
                for arg in (*every, *stars)
                if arg.annotation is None
            ]
    return wrong


def check_writing(modules: list[Module]) -> list[str]:
    """Files are replaced by the atomic writer, and JSON is strict."""
    wrong = []
    for module in modules:
        for found in imports(module):
            if found.target == "json" and module.name != "system.strict_json":
                wrong.append(f"{module.file}:{found.line}: import strict_json, not json")
        for node in ast.walk(module.tree) if module.name != "system.files" else ():
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", "")
            bare = node.func.id if isinstance(node.func, ast.Name) else ""
            strings = [
                x.value
                for x in ast.walk(node)
                if isinstance(x, ast.Constant) and isinstance(x.value, str)
            ]
            opens = "open" in (name, bare) and any(x in ("w", "wb", "x", "xb") for x in strings)
            if name in ("write_text", "write_bytes") or opens:
                if module.name == "weights.download":  # appends to a part of its own
                    continue
                wrong.append(f"{module.file}:{node.lineno}: write through haqagen_jax.system.files")
    return wrong


CHECKS = [
    check_writing,
    check_direction,
    check_light,
    check_purity,
    check_cycles,
    check_lengths,
    check_public_functions,
]


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    found = package_modules()
    assert len(found) > 20
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_house_rule(check, modules):
    wrong = check(modules)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_table_goes_one_way():
    order = list(ROOMS)
    for room, allowed in ROOMS.items():
        for target in allowed.split():
            assert order.index(target) < order.index(room), f"{room} lists {target} of a later room"


def test_every_name_in_the_tables_exists(modules):
    names = {module.name for module in modules}
    assert set(ROOMS) == {room_of(name) for name in names} - DOORS
    assert names.issuperset({*PURE, *LIGHT, *NOT_LIGHT, *LATE})
    for (room, other), allowed in NARROW.items():
        assert {room, other} <= set(ROOMS)
        assert allowed <= names


JAX = "import jax.numpy as jnp"


@pytest.mark.parametrize(
    ("check", "name", "source", "message"),
    [
        (check_direction, "ops.x", "def f():\n    from haqagen_jax.models import y", "x.py:2: ops"),
        (
            check_direction,
            "metrics.x",
            "from haqagen_jax.config import schema",
            "import config.schema",
        ),
        (
            check_direction,
            "models.x",
            "from haqagen_jax.config.schema import Config",
            "models.x must not import config.schema",
        ),
        (check_direction, "data.x", "import haqagen_jax.models.factory", "models.factory"),
        (check_direction, "models.x", "import haqagen_jax", "must not import haqagen_jax"),
        (check_direction, "data.x", "from .y import z", "relative import"),
        (check_direction, "attic", "", "belongs to no room"),
        (check_light, "images.x", f"def f():\n    {JAX}", "x.py:2: images.x must not import jax"),
        (check_light, "images.x", "import haqagen_jax.models", "images.x -> models -> jax"),
        (
            check_light,
            "config.x",
            "from haqagen_jax.models.factory import f",
            "config.x -> models -> jax",
        ),
        (
            check_light,
            "data.x",
            "from haqagen_jax.data import pipeline",
            "data.x -> data.pipeline -> models",
        ),
        (check_purity, "losses.x", "import os.path", "losses.x must not import os.path"),
        (check_purity, "inference.tiling", "from PIL import Image", "must not import PIL"),
        (check_purity, "train.x", "x = 1\nprint(x)", "train.x.py:2: train.x must not print"),
        (check_purity, "ops.x", "from haqagen_jax.images import files", "images.files is not"),
        (check_writing, "train.x", "open(p, 'w').write(t)", "train.x.py:1: write through"),
        (check_writing, "train.x", "path.write_text(t)", "train.x.py:1: write through"),
        (check_writing, "train.x", "import json", "import strict_json"),
        (
            check_cycles,
            "config.schema",
            "def f():\n    from haqagen_jax import artifact",
            "circular",
        ),
        (check_lengths, "ops.x", "x = 1\n" * 301, "301 lines"),
        (check_public_functions, "ops.x", "def f(x: int) -> int:\n    return x", "docstring"),
        (check_public_functions, "ops.x", "def f(*, x) -> int:\n    'Add.'", "argument x"),
        (check_public_functions, "ops.x", "def f():\n    'Add.'", "no return annotation"),
    ],
)
def test_a_planted_fault_is_found(check, name, source, message):
    others = {
        "config": "",
        "config.schema": "",
        "artifact": "from haqagen_jax.config.schema import Config",
        "images.files": "",
        "models": JAX,
        "models.factory": "",
        "losses": "",
        "data": "",
    }
    if check is check_light:
        others["data.pipeline"] = "from haqagen_jax.models import factory"
    modules = [parse(n, s) for n, s in others.items() if n != name]
    wrong = check([*modules, parse(name, source)])
    assert len(wrong) == 1, wrong
    assert message in wrong[0]
