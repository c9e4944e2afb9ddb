"""What every command that colours pictures takes, and the value that it becomes."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from haqagen_jax import paper

if TYPE_CHECKING:
    from haqagen_jax.inference.settings import Settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds what every command that colours pictures takes.

    Args:
        parser: of the command.
    """
    parser.add_argument(
        "--tile",
        type=int,
        default=paper.PATCH,
        metavar="P",
        help="tile side (default: %(default)s)",
    )
    parser.add_argument(
        "--stride",
        type=int,
        default=paper.STRIDE,
        metavar="S",
        help="distance between tiles (default: %(default)s)",
    )
    parser.add_argument(
        "--window", default="hann", metavar="W", help="hann (default), cosine, triangle or flat"
    )
    parser.add_argument(
        "--batch", type=int, metavar="N", help="tiles at once (default: chosen by memory)"
    )
    parser.add_argument(
        "--precision",
        default="float32",
        metavar="T",
        help="of the network: float32 (default) or bfloat16",
    )
    parser.add_argument(
        "--consistent",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make tiles agree: closer ones, of a large picture reduced, too (default: on)",
    )


def chosen_settings(args: argparse.Namespace) -> "Settings":
    """Returns what a command that colours pictures was told about how.

    Args:
        args: parsed, of a parser that `add_settings` was given.

    Raises:
        InputError: a value out of range.
    """
    from haqagen_jax.inference.settings import Settings

    names = (field.name for field in dataclasses.fields(Settings))
    return Settings(**{name: getattr(args, name) for name in names})
