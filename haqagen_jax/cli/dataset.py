"""The `haqagen dataset` commands: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable

from haqagen_jax.errors import InputError

EPILOG = """\
a folder of pairs holds
  NAME_nir.png and NAME_rgb.png together, or
  nir/NAME.png and rgb/NAME.png, or
  pairs.csv with the columns nir, rgb and, if wanted, name, scene and split,
in any of PNG, JPEG and TIFF; or folders train, val and test that do. Without splits, pairs are
split 80/10/10 by a hash of their scene (their name, where no table says otherwise).
"""
Command = Callable[..., argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Add `dataset` and its own commands to a parser.

    Args:
        commands: Subparsers to which the commands are added.
        command: Adds one command; called with (commands, name, summary, run).
    """
    parser = commands.add_parser(
        "dataset",
        help="list, build and inspect data sets",
        description="Data sets of NIR and RGB pairs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _list(inner, command)
    _build(inner, command)
    _inspect(inner, command)


def _list(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.data import catalog

        print(catalog.text())
        return 0

    command(commands, "list", "the paper's data sets: what, how large, where from", run)


def _build(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.data.build import build, report

        target = build(
            args.name,
            args.out,
            raw=args.raw,
            skip_corrupt=args.skip_corrupt,
            partial=args.partial,
            overwrite=args.overwrite,
            count=args.count,
            size=_size(args.size),
            seed=args.seed,
        )
        print(report(target))
        return 0

    parser = command(commands, "build", "turn originals into ArrayRecord files", run)
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a set of `haqagen dataset list`; pairs, for any folder of pairs; or synthetic, for "
        "rendered scenes",
    )
    parser.add_argument("--raw", metavar="DIR", help="where the originals were unpacked")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR",
        help="directory for data sets; makes DIR/NAME/VERSION",
    )
    parser.add_argument(
        "--skip-corrupt",
        action="store_true",
        help="leave out pairs that cannot be decoded, and say which, instead of stopping",
    )
    parser.add_argument(
        "--partial", action="store_true", help="build what there is of a published set"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that exists")
    synthetic = parser.add_argument_group("synthetic")
    synthetic.add_argument(
        "--count", type=int, default=100, metavar="N", help="scenes (default: %(default)s)"
    )
    synthetic.add_argument(
        "--size", default="384x512", metavar="HxW", help="(default: %(default)s)"
    )
    synthetic.add_argument("--seed", type=int, default=0, metavar="S", help="(default: 0)")


def _inspect(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.data.inspection.survey import inspect

        return inspect(args.data, args.out)

    parser = command(commands, "inspect", "check every pair; a table and a page", run)
    parser.add_argument("data", metavar="DIR", help="folder of pairs, or a data set that was built")
    parser.add_argument(
        "--out", default="inspect.html", metavar="FILE", help="the page (default: %(default)s)"
    )


def _size(text: str) -> tuple[int, int]:
    height, x, width = text.partition("x")
    if not (x and height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise InputError(f"--size {text}: must be HEIGHTxWIDTH in pixels; give it as 384x512")
    return int(height), int(width)
