"""Public functions: their examples run, and their docstrings say what they take and give.

`python tests/test_docstrings.py` prints the shares of complete docstrings, folder by folder.
"""

import ast
import doctest
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "haqagen_jax"
ASPECTS = ("docstring", "Args", "Returns", "Raises")
INHERITED = re.compile(r"[Ss]ee `\w+(\.\w+)?`")  # the method of a protocol or a base class says it
# Without a value for the caller: nothing, or a context manager's empty hands.
NOTHING = {"None", "NoReturn", "Never", "Iterator[None]", "Generator[None]"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__call__"


def public_functions(module: ast.Module) -> Iterator[tuple[str, Function]]:
    """Public functions of a module and public methods of its public classes, but properties."""
    for node in module.body:
        if isinstance(node, Function) and _is_public(node.name):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and _is_public(node.name):
            for method in node.body:
                if isinstance(method, Function) and _is_public(method.name):
                    decorators = {ast.unparse(decorator) for decorator in method.decorator_list}
                    if not decorators & {"property", "functools.cached_property", "override"}:
                        yield f"{node.name}.{method.name}", method


def _own(function: Function) -> Iterator[ast.AST]:
    """All nodes of a function but those of functions inside it."""
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            pending += ast.iter_child_nodes(node)


def _arguments(function: Function) -> list[str]:
    parts = function.args
    named = [*parts.posonlyargs, *parts.args, *parts.kwonlyargs, parts.vararg, parts.kwarg]
    return [part.arg for part in named if part and part.arg not in ("self", "cls")]


def _gives_a_value(function: Function) -> bool:
    if function.returns is not None:
        return ast.unparse(function.returns) not in NOTHING
    return any(isinstance(node, ast.Return) and node.value for node in _own(function))


def _raises(function: Function) -> set[str]:
    """The public errors that leave a function which raises them itself."""
    raised = (node.exc for node in _own(function) if isinstance(node, ast.Raise))
    calls = (error.func if isinstance(error, ast.Call) else error for error in raised)
    names = {getattr(call, "id", getattr(call, "attr", "_")) for call in calls}
    handlers = [node.type for node in _own(function) if isinstance(node, ast.ExceptHandler)]
    caught = {getattr(handler, "id", "") for handler in handlers}
    internal = {"AssertionError", "NotImplementedError"}
    return {name for name in names if name[0].isupper()} - caught - internal


def _section(docstring: str, title: str) -> str | None:
    """The indented lines below a title."""
    lines = docstring.splitlines()
    if f"{title}:" not in lines:
        return None
    body = lines[lines.index(f"{title}:") + 1 :]
    end = next((i for i, line in enumerate(body) if line and not line.startswith(" ")), len(body))
    return "\n".join(body[:end])


def gaps(function: Function) -> dict[str, str | None]:
    """What is missing, by aspect; None where the aspect is complete. Aspects may not apply."""
    docstring = ast.get_docstring(function)
    result: dict[str, str | None] = {"docstring": None if docstring else "no docstring"}
    docstring = docstring or ""
    inherited = INHERITED.search(docstring)
    if names := _arguments(function):
        section = _section(docstring, "Args") or ""
        lines = {line.strip(" *").partition(":")[0] for line in section.splitlines()}
        missing = [name for name in names if name not in lines and not inherited]
        result["Args"] = f"no {', '.join(missing)} in Args" if missing else None
    if _gives_a_value(function):
        given = _section(docstring, "Returns") or _section(docstring, "Yields") or inherited
        # One line says it all where nothing is taken: "Return the profile of sRGB."
        given = given or (not names and docstring.startswith("Return "))
        result["Returns"] = None if given else "no Returns"
    if errors := _raises(function):
        section = _section(docstring, "Raises") or ""
        missing = [n for n in sorted(errors) if f"{n}:" not in section and not inherited]
        result["Raises"] = f"no {', '.join(missing)} in Raises" if missing else None
    return result


def measure(package: Path) -> tuple[dict[str, dict[str, list[int]]], list[str]]:
    """Counts, complete and all, by folder and aspect; and a line for every gap."""
    counts: dict = defaultdict(lambda: {aspect: [0, 0] for aspect in ASPECTS})
    lines = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        module = ast.parse(path.read_text("utf-8"))
        counts[relative.parts[0]]  # a module without functions is complete
        for name, function in public_functions(module):
            for aspect, gap in gaps(function).items():
                count = counts[relative.parts[0]][aspect]
                count[0] += gap is None
                count[1] += 1
                if gap:
                    lines.append(f"{relative}:{function.lineno}: {name}: {gap}")
    return dict(counts), lines


def shares(counts: dict[str, list[int]]) -> tuple[int, ...]:
    """Whole percents, rounded down, so that 100 means all."""
    return tuple(100 * done // total if total else 100 for done, total in counts.values())


def test_nothing_is_missing():
    _, lines = measure(PACKAGE)
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(x): pass", {"docstring": "no docstring", "Args": "no x in Args"}),
        ("def f() -> None: 'Do.'", {"docstring": None}),
        ("def f() -> int: 'Do.'", {"docstring": None, "Returns": "no Returns"}),
        ("def f() -> int: 'Return one.'", {"docstring": None, "Returns": None}),
        (
            "def f(x) -> int: 'Return one.'",
            {"docstring": None, "Args": "no x in Args", "Returns": "no Returns"},
        ),
        ("def f(x) -> int: 'See `A.f`.'", {"docstring": None, "Args": None, "Returns": None}),
        ("def f():\n 'Do.'\n def g(): return 1", {"docstring": None}),
        (
            "def f(x, *, y):\n '''Do.\n\n Args:\n     x: A number.\n '''\n raise ValueError(x)",
            {"docstring": None, "Args": "no y in Args", "Raises": "no ValueError in Raises"},
        ),
        (
            "def f(x) -> int:\n '''Do.\n\n Args:\n     x: A number.\n\n Returns:\n     It.\n '''",
            {"docstring": None, "Args": None, "Returns": None},
        ),
    ],
)
def test_gaps_are_found(source, expected):
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert gaps(function) == expected


def test_what_is_public():
    source = """
def f(): ...
def _f(): ...
class A:
    def g(self): ...
    def _g(self): ...
    def __call__(self): ...
    def __str__(self): ...
    @property
    def h(self): ...
class _B:
    def g(self): ...
"""
    names = [name for name, _ in public_functions(ast.parse(source))]
    assert names == ["f", "A.g", "A.__call__"]


def _documented() -> Iterator[tuple[str, Callable]]:
    """The functions whose examples are run: what ops, losses and metrics export."""
    from haqagen_jax import losses, metrics, ops

    for package in (ops, losses, metrics):
        for name in package.__all__:
            value = getattr(package, name)
            if callable(value):
                yield f"{package.__name__.rpartition('.')[2]}.{name}", value


@pytest.mark.parametrize(("name", "function"), [pytest.param(*x, id=x[0]) for x in _documented()])
def test_examples_run(name, function):
    context = dict(vars(sys.modules[function.__module__]))
    parser = doctest.DocTestParser()
    example = parser.get_doctest(function.__doc__ or "", context, name, None, None)
    assert example.examples, "no example"
    report: list[str] = []
    assert doctest.DocTestRunner().run(example, out=report.append).failed == 0, "".join(report)


def main() -> None:
    """Prints the shares of every folder, then the gaps."""
    counts, lines = measure(PACKAGE)
    print(f"{'':14s}" + "".join(f"{aspect:>16s}" for aspect in ASPECTS))
    for folder, of_folder in counts.items():
        cells = (
            f"{share:5d} % of {total:3d}"
            for share, (_, total) in zip(shares(of_folder), of_folder.values(), strict=True)
        )
        print(f"{folder:14s}" + "".join(f"{cell:>16s}" for cell in cells))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
