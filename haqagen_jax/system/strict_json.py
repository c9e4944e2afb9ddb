"""JSON as RFC 8259 has it: without NaN and infinity, which many readers refuse."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn


def dumps(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Write a value as JSON.

    Args:
        value: Mappings, sequences, strings, finite numbers, booleans and None.
        indent: Spaces a level; None for one line.
        sort_keys: Whether to sort the keys of mappings.

    Returns:
        The text, without a newline at its end.

    Raises:
        ValueError: A number is not finite; see `finite`.
    """
    return json.dumps(value, indent=indent, sort_keys=sort_keys, allow_nan=False)


def loads(text: str | bytes) -> Any:
    """Read a value from JSON.

    Args:
        text: One value.

    Returns:
        The value.

    Raises:
        ValueError: Not JSON, or with a number that is not finite.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_number)


def finite(value: Any) -> Any:
    """Replace each number that is not finite by None, which JSON can express.

    Args:
        value: As for `dumps`; a number may be NaN or infinite.

    Returns:
        A copy, for `dumps`.
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):  # as 1e999
        _refuse(digits)
    return number
