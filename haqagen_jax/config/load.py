"""Load a `Config` from a file of `configs/`, its argument, and overrides of single keys."""

import ast
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError, reason

if TYPE_CHECKING:
    from ml_collections import ConfigDict

SIZES = ("paper", "base", "small", "tiny")
DEFAULT = "configs/haqagen.py"


def load_config(spec: str, overrides: Sequence[str] = ()) -> Config:
    """Load the configuration of a run.

    Args:
        spec: "FILE.py" or "FILE.py:ARGUMENT"; the file defines `get_config(argument)` and returns a
            `ConfigDict`. `configs/...` is also found beside the installed package.
        overrides: "section.key=value" each; the value is a Python literal or a bare word.

    Returns:
        The configuration, every value of it checked.

    Raises:
        InputError: No such file, a file without `get_config`, an argument that it refuses, an
            override of another form, and everything that `Config.from_dict` refuses.
    """
    name, _, argument = spec.partition(":")
    values = _evaluate(_find(name), argument).to_dict()
    for override in overrides:
        key, equals, text = override.partition("=")
        section, dot, field = key.strip().partition(".")
        if not (equals and dot):
            raise InputError(f"--set {override}: must be section.key=value, as train.steps=2000")
        values.setdefault(section, {})[field] = _literal(text.strip())
    return Config.from_dict(values)


def recipe(size: str, spec: str = DEFAULT) -> "ConfigDict":
    """Evaluate another configuration file, for a file that changes some of its values.

    Args:
        size: The argument of its `get_config`.
        spec: Path of the file.

    Returns:
        What its `get_config` returns.

    Raises:
        InputError: No such file, or a size that it refuses.
    """
    return _evaluate(_find(spec), size)


def _find(name: str) -> Path:
    package = Path(__file__).parents[1]
    # As given; inside an installed wheel; beside the package in a checkout.
    for path in (Path(name), package / name, package.parent / name):
        if path.is_file():
            return path
    raise InputError(f"{name}: no such configuration file; try --config {DEFAULT}:small")


def _evaluate(path: Path, argument: str) -> "ConfigDict":
    from ml_collections import ConfigDict  # imported late: a refused command need not wait for it

    spec = importlib.util.spec_from_file_location("haqagen_config", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file; a configuration ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        get_config = getattr(module, "get_config", None)
        if get_config is None:
            raise InputError("must define get_config(argument)")
        config = get_config(argument) if argument else get_config()
    except ValueError as error:  # how a configuration refuses its argument
        raise InputError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:  # whatever else a file of the user's can raise
        raise InputError(
            f"{path}: {type(error).__name__}: {reason(error)}; correct the file"
        ) from error
    if not isinstance(config, ConfigDict):
        kind = type(config).__name__
        raise InputError(f"{path}: get_config must return a ConfigDict, not {kind}")
    return config


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return {"true": True, "false": False}.get(text.lower(), text)
