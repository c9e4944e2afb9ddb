"""Check values of a configuration; each mistake is named with its key.

`haqagen_jax.config.schema` says which keys there are.
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from haqagen_jax.errors import InputError

_LARGEST = 3.4e38  # about the largest float32, which values are computed in


def require(ok: bool, name: str, value: object, constraint: str) -> None:
    """Refuse a value that breaks a constraint.

    Args:
        ok: Whether the value is allowed.
        name: The key with its section, as "train.steps".
        value: The value, for the message.
        constraint: What the value must be, to follow "must be".

    Raises:
        InputError: `ok` is false.
    """
    if not ok:
        raise InputError(f"{name} = {value!r}: must be {constraint}")


def require_one_of(choices: Sequence[str], name: str, value: str) -> None:
    """Refuse a word that is not one of the choices.

    Args:
        choices: The words that are allowed.
        name: The key with its section.
        value: The word.

    Raises:
        InputError: It is not one of the choices.
    """
    require(value in choices, name, value, " or ".join(choices))


def require_known(name: str, known: Mapping[str, Any], kind: str, prefix: str = "") -> None:
    """Refuse a name that does not exist, and propose one that does.

    Args:
        name: The name, as it was given.
        known: The names that exist.
        kind: What is named: "section" or "key".
        prefix: What the message puts before each name, as "train.".

    Raises:
        InputError: The name does not exist.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {prefix}{close[0]}?" if close else f"known: {', '.join(known)}"
        raise InputError(f"{prefix}{name}: unknown {kind} of the configuration; {hint}")


def build(section: type, name: str, values: object) -> Any:
    """Build a section of the configuration from plain values.

    Args:
        section: The dataclass of the section.
        name: Name of the section, as "train".
        values: A mapping of key to value.

    Returns:
        An instance of `section`; a key that is left out keeps its default.

    Raises:
        InputError: No mapping, an unknown key, or a value of another type or out of range.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{name} = {values!r}: must be a section of keys, not a value")
    fields = {field.name: field for field in dataclasses.fields(section)}
    for key in values:
        require_known(key, fields, "key", f"{name}.")
    return section(**{k: _typed(fields[k], f"{name}.{k}", v) for k, v in values.items()})


def _typed(field: dataclasses.Field, name: str, value: Any) -> Any:
    """Convert an int to a float and a list to a tuple, and refuse every other mismatch."""
    default = field.default
    if isinstance(default, float) and _is_number(value):
        return _finite(name, value)
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        numbers = all(_is_number(v) for v in value)
        require(numbers and len(value) == len(default), name, value, f"{len(default)} numbers")
        return tuple(_finite(name, v) for v in value)
    require(type(value) is type(default), name, value, f"of type {type(default).__name__}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _finite(name: str, value: int | float) -> float:
    # Integers are compared exactly, however large; NaN fails too.
    require(abs(value) <= _LARGEST, name, value, "a finite number in float32")
    return float(value)
