"""Values of a configuration, checked: each mistake is named with its key.

`haqagen_jax.config.schema` says which keys there are.
"""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from haqagen_jax.errors import InputError

_LARGEST = 3.4e38  # in float32, which everything is computed in


def require(ok: bool, name: str, value: object, constraint: str) -> None:
    """Refuses a value.

    Args:
        ok: whether it is allowed.
        name: of the key, with its section.
        value: found.
        constraint: what it must be, to follow "must be".

    Raises:
        InputError: it is not.
    """
    if not ok:
        raise InputError(f"{name} = {value!r}: must be {constraint}")


def require_one_of(choices: Sequence[str], name: str, value: str) -> None:
    """Refuses a word that is not among a few; see `require`."""
    require(value in choices, name, value, " or ".join(choices))


def require_known(name: str, known: Mapping[str, Any], what: str, prefix: str = "") -> None:
    """Refuses a name that does not exist, and proposes one that does.

    Args:
        name: found.
        known: those that exist.
        what: the names are of, as "key".
        prefix: what stands before each of them.

    Raises:
        InputError: it does not exist.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {prefix}{close[0]}?" if close else f"known: {', '.join(known)}"
        raise InputError(f"{prefix}{name}: unknown {what} of the configuration; {hint}")


def build(section: type, name: str, values: object) -> Any:
    """Makes a section of the configuration.

    Args:
        section: its dataclass.
        name: of the section.
        values: a mapping of key to value.

    Returns:
        The dataclass; what is left out keeps its default.

    Raises:
        InputError: no mapping, an unknown key, or a value of another type or out of range.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{name} = {values!r}: must be a section of keys, not a value")
    fields = {field.name: field for field in dataclasses.fields(section)}
    for key in values:
        require_known(key, fields, "key", f"{name}.")
    return section(**{k: _typed(fields[k], f"{name}.{k}", v) for k, v in values.items()})


def _typed(field: dataclasses.Field, name: str, value: Any) -> Any:
    """Takes an int for a float and a list for a tuple, and refuses every other mismatch."""
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
