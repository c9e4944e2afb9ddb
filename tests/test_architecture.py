"""The rules of the house, proved on the source itself: nothing of the package is imported here.

Data flows one way. `ROOMS` says what each part may import of the package; a module belongs to the
longest name in it that is a prefix of its own. A failing test prints `file:line: what is wrong`.
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

# Lower rooms first. A room may import itself and what is listed, never a room below it in this
# table: `test_the_table_goes_one_way`.
ROOMS = {
    "errors": "",
    "version": "",
    "paper": "",
    "types": "",
    "system.strict_json": "",
    "images.tiff_tags": "",
    "system.device_memory": "errors",
    "system": "",
    "system.console": "errors",
    "cli": "",
    "cli.ending": "errors",
    "config": "",
    "config.checks": "errors",
    "config.schema": "config.checks errors paper",
    "nir": "",
    "nir.quantiles": "",
    "nir.preparation": "errors nir.quantiles",
    "nir.network_input": "config.schema nir.preparation",
    "images": "",
    "images.levels": "errors",
    "images.resize": "images.levels",
    "config.load": "config.schema errors",
    "images.formats": "errors",
    "images.decode": "errors images.formats",
    "system.files": "errors",
    "images.icc": "",
    "images.tiff": "errors images.formats images.icc",
    "images.files": "errors images.decode images.formats images.icc images.levels images.tiff "
    "system.files",
    "system.prefetch": "",
    "system.cache": "",
    "images.data_uri": "",
    "compile_cache": "system.cache",
    "batch": "",
    "batch.select": "errors images.decode images.files",
    "ops": "types",
    "models": "ops paper types",
    "metrics": "models ops types",
    "models.factory": "config.schema errors models ops paper types",
    "losses": "ops paper types",
    "losses.objective": "config.schema losses metrics ops paper types",
    "synthetic": "",
    "data": "config.schema errors images.data_uri images.decode images.files images.levels "
    "images.resize nir.network_input nir.preparation paper synthetic system.console "
    "system.files system.strict_json types",
    "artifact": "config.schema errors system.files system.strict_json version",
    "inference.tiling": "errors ops paper types",
    "inference.blend": "errors inference.tiling ops paper types",
    "inference.postprocess": "errors ops paper types",
    "inference.forward": "ops paper types",
    "inference.settings": "errors inference.tiling ops paper types",
    "images.stream": "images.levels images.resize nir.preparation",
    "inference": "config.schema errors images.levels images.resize images.stream "
    "inference.blend inference.forward inference.postprocess inference.settings "
    "inference.tiling models models.factory nir.network_input nir.preparation ops "
    "paper system.device_memory system.prefetch types",
    "images.source": "errors images.decode images.files images.formats images.levels "
    "images.stream images.tiff images.tiff_tags inference "
    "inference.postprocess",
    "images.sink": "errors images.files images.levels images.stream inference",
    "batch.report": "batch.select errors system.files system.strict_json version",
    "interop": "artifact config.schema errors models models.factory ops paper system.files "
    "types version",
    "weights": "artifact errors interop system.cache system.console system.files",
    "cost": "config.schema models models.factory paper",
    "train.optimizer": "config.schema paper types",
    "train.precision": "errors",
    "train.state": "config.schema models models.factory paper train.optimizer train.precision "
    "types",
    "train.guided": "config.schema models ops paper types",
    "train.step": "config.schema losses losses.objective models models.factory ops paper "
    "train.guided train.optimizer train.precision train.state types",
    "train.texture_step": "config.schema models ops paper train.optimizer types",
    "train": "artifact config.schema cost data errors images.files images.levels images.resize "
    "interop losses losses.objective metrics models models.factory nir.preparation ops "
    "paper system.console system.device_memory system.files system.strict_json "
    "train.guided train.optimizer train.precision train.state train.step "
    "train.texture_step types version weights",
    "run": "artifact config.schema cost data errors images.files images.levels images.resize "
    "interop losses losses.objective metrics models models.factory nir.preparation ops "
    "paper system.console system.device_memory system.files system.strict_json train "
    "train.guided train.optimizer train.precision train.state train.step "
    "train.texture_step types version weights",
    "cli.info": "artifact config.load config.schema cost models models.factory run train "
    "train.state",
    "models.baselines": "config.schema errors nir.preparation ops paper system.strict_json types",
    "api": "artifact config.schema errors inference inference.settings models models.baselines "
    "models.factory paper system.strict_json types",
    "batch.run": "api batch.report batch.select errors images.files images.levels images.sink "
    "images.source inference inference.postprocess inference.settings paper "
    "system.console system.files system.prefetch",
    "export": "api errors inference.settings nir.network_input ops paper system.files types",
    "cli.demo": "batch.run batch.select data errors images.files images.levels nir.preparation "
    "paper",
    "evaluation": "api config.schema data errors images.data_uri images.files images.levels "
    "images.resize images.stream inference inference.settings inference.tiling "
    "metrics models models.baselines models.factory nir.network_input "
    "nir.preparation ops paper system.console system.files system.prefetch "
    "system.strict_json types version weights",
    "reproduce": "api artifact config.load config.schema data errors evaluation images.files "
    "inference inference.settings inference.tiling losses losses.objective metrics "
    "models.baselines nir.preparation ops paper run system.console system.files "
    "system.strict_json train types version weights",
}
# These may import anything of ours: they are the doors.
DOORS = {
    *("", "cli.main", "cli.dataset", "cli.evaluate", "cli.settings", "cli.train", "cli.weights"),
    "__main__",
}

# Rooms without files, network, terminal or data libraries, and all that the pure ones may import.
PURE = (
    "nir",
    *(
        "ops",
        "models",
        "losses",
        "metrics",
        "types",
        "paper",
        "errors",
        "config.schema",
        "config.checks",
    ),
    *("train.guided", "train.optimizer", "train.precision", "train.state", "train.step"),
    "train.texture_step",
    *("inference.tiling", "inference.blend", "inference.forward", "inference.postprocess"),
    "inference.settings",
)
PURE_IMPORTS = {
    *(
        "abc",
        "collections",
        "contextlib",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "itertools",
        "logging",
        "math",
    ),
    *(
        "operator",
        "typing",
        "unicodedata",
        "warnings",
        "flax",
        "jax",
        "jaxtyping",
        "numpy",
        "optax",
    ),
}
PURE_FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
# Reading data must not wait for an accelerator, and its worker processes must not open one.
NOT_IN = {"data": {"jax", "flax", "optax"}, "nir.preparation": {"jax"}, "images.files": {"jax"}}


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


def imports(module: Module) -> Iterator[Import]:
    """All imports, those inside functions and under TYPE_CHECKING included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, (), 0)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, node.module or "", names, node.level)


def inner_imports(module: Module, known: set[str]) -> Iterator[tuple[int, str]]:
    """Line and name of every module of the package that is imported."""
    for found in imports(module):
        head, _, rest = found.target.partition(".")
        if head != PACKAGE or found.level:
            continue
        inside = {f"{rest}.{name}".lstrip(".") for name in found.names} & known
        for target in inside or {rest}:
            yield found.line, target


def room_of(name: str) -> str | None:
    prefixes = [room for room in ROOMS if name == room or name.startswith(f"{room}.")]
    return max(prefixes, key=len, default=None)


def is_pure(name: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in PURE)


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
        if room is None:
            wrong.append(f"{module.file}:1: belongs to no room of ROOMS; add it there")
            continue
        for line, target in inner_imports(module, known):
            if module.file.endswith("__init__.py") and target.startswith(f"{module.name}."):
                continue  # a room's `__init__` shows what is in it
            if room_of(target) not in (room, *ROOMS[room].split()):
                wrong.append(f"{module.file}:{line}: {room} must not import {target or PACKAGE}")
    return wrong


def check_purity(modules: list[Module]) -> list[str]:
    wrong = []
    for module in modules:
        room = room_of(module.name) or ""
        for found in imports(module):
            top = found.target.partition(".")[0]
            impure = is_pure(module.name) and top not in PURE_IMPORTS | {PACKAGE}
            if impure or top in NOT_IN.get(room, ()):
                wrong.append(f"{module.file}:{found.line}: {room} must not import {found.target}")
        for node in ast.walk(module.tree) if is_pure(module.name) else ():
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in PURE_FORBIDDEN_CALLS:
                wrong.append(f"{module.file}:{called.lineno}: {room} must not {called.id}()")
    return wrong


def check_purity_of_what_pure_rooms_import(modules: list[Module]) -> list[str]:
    known = {module.name for module in modules}
    return [
        f"{module.file}:{line}: {module.name} is pure, {target or PACKAGE} is not"
        for module in modules
        if is_pure(module.name)
        for line, target in inner_imports(module, known)
        if not is_pure(target)
    ]


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
            name = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            bare = (
                node.func.id
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                else ""
            )
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
    check_purity,
    check_purity_of_what_pure_rooms_import,
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


@pytest.mark.parametrize(
    ("check", "name", "source", "message"),
    [
        (check_direction, "ops.x", "def f():\n    from haqagen_jax.models import y", "x.py:2: ops"),
        (
            check_direction,
            "models.x",
            "from haqagen_jax.config import schema as config",
            "import config",
        ),
        (check_direction, "data.x", "import haqagen_jax.models.factory", "models.factory"),
        (check_direction, "models.x", "import haqagen_jax", "must not import haqagen_jax"),
        (check_direction, "data.x", "from .y import z", "relative import"),
        (check_direction, "attic", "", "belongs to no room"),
        (check_purity, "losses.x", "import os.path", "losses must not import os.path"),
        (check_purity, "inference.tiling", "from PIL import Image", "must not import PIL"),
        (
            check_purity,
            "train.step",
            "x = 1\nprint(x)",
            "train.step.py:2: train.step must not print",
        ),
        (check_purity, "data.x", "import jax.numpy as jnp", "data must not import jax.numpy"),
        (
            check_purity_of_what_pure_rooms_import,
            "ops.x",
            "from haqagen_jax.images import files as imageio",
            "pure",
        ),
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
        "config.schema": "",
        "artifact": "from haqagen_jax.config.schema import Config",
        "images.files": "",
    }
    modules = [parse(n, s) for n, s in others.items() if n != name]
    modules += [parse(n, "") for n in ("models", "models.factory", "losses", "data")]
    wrong = check([*modules, parse(name, source)])
    assert len(wrong) == 1, wrong
    assert message in wrong[0]
