"""One file of a pair, before it is known whether the other is there."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.errors import InputError

BANDS = ("nir", "rgb")


class Half(NamedTuple):
    """A file that is one half of a pair."""

    name: str  # of the pair
    band: str  # nir or rgb
    path: Path
    scene: str = ""


def require_text(halves: Iterable[Half]) -> None:
    """Refuse names that are not text, which no file that we write could hold.

    Args:
        halves: In any order.

    Raises:
        InputError: A name that is not UTF-8.
    """
    for half in halves:
        try:
            half.name.encode()
        except UnicodeEncodeError:
            raise InputError(f"{half.path}: its name is not UTF-8; rename it") from None
