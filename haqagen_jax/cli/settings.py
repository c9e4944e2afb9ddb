"""The arguments of every command that colors images, and the `Settings` that they become."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from haqagen_jax import paper
from haqagen_jax.errors import InputError

if TYPE_CHECKING:
    from haqagen_jax.inference.settings import Settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that colors images.

    Args:
        parser: Parser of the command.
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
        "--size",
        type=int,
        default=512,
        metavar="P",
        help="whole: long side that the network sees (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        metavar="F",
        help="whole: scale at which windows of a mosaic are seen (default: %(default)s)",
    )
    parser.add_argument(
        "--detail",
        default="guided",
        metavar="D",
        help="whole: guided (default), by the NIR image; network: its colors, enlarged",
    )
    parser.add_argument(
        "--radius",
        type=int,
        default=16,
        metavar="R",
        help="guided: reach of a color in pixels of the size that the network sees (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--eps",
        type=float,
        default=1e-3,
        metavar="E",
        help="guided: variance of the NIR image below which colors are smooth (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--stretch",
        metavar="S",
        help="minmax, or two percentiles of the NIR image that become black and white, as 0.1,99.9",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="average the image, its mirror image, and both at half the size",
    )


def chosen_settings(args: argparse.Namespace) -> "Settings":
    """Return the settings that the arguments of a command choose.

    Args:
        args: Parsed arguments, of a parser that was given to `add_settings`.

    Returns:
        The settings.

    Raises:
        InputError: If a value is out of range.
    """
    from haqagen_jax.inference.settings import Settings

    names = [field.name for field in dataclasses.fields(Settings)]
    values: dict[str, Any] = {n: getattr(args, n) for n in names if hasattr(args, n)}
    values["stretch"] = _stretch(getattr(args, "stretch", None))
    return Settings(**values)


def _stretch(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    from haqagen_jax.inference.settings import MINMAX

    if text == "minmax":
        return MINMAX
    try:
        low, high = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"stretch = {text!r}: must be minmax, or two percentiles as in 0.1,99.9"
        ) from None
    return low, high
