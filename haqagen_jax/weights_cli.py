"""The `haqagen weights` commands: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Adds `weights` and its own commands to a parser.

    Args:
        commands: of the parser.
        command: makes one, from (commands, name, summary, run).
    """
    parser = commands.add_parser(
        "weights",
        help="published weights for the VGG-19 loss and LPIPS",
        description="Published weights for the VGG-19 loss and LPIPS, in a cache folder.",
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _list(inner, command)
    _import(inner, command)
    _download(inner, command)


def _list(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.weights import store

        print(store.listing())
        return 0

    command(commands, "list", "what there is, its licence, and whether it is in the cache", run)


def _import(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.weights import store
        from haqagen_jax.weights.catalog import find

        place = store.import_file(args.name, Path(args.file))
        print(f"{args.name}: {place} ({find(args.name).licence})")
        return 0

    parser = command(commands, "import", "put a published file into the cache", run)
    parser.add_argument("name", metavar="NAME", help="of `haqagen weights list`")
    parser.add_argument("file", metavar="FILE", help="as it was published (.pth)")


def _download(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.weights.download import download_all

        return download_all(args.name)

    parser = command(commands, "download", "fetch published files; goes on where it ended", run)
    parser.set_defaults(resume_hint="; run the same command to go on")
    parser.add_argument("name", nargs="+", metavar="NAME", help="of `haqagen weights list`, or all")
