"""The `haqagen weights` commands: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable
from pathlib import Path

from haqagen_jax.errors import InputError

ALL = "all"
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

        _say(args.name, store.import_file(args.name, Path(args.file)))
        return 0

    parser = command(commands, "import", "put a published file into the cache", run)
    parser.add_argument("name", metavar="NAME", help="of `haqagen weights list`")
    parser.add_argument("file", metavar="FILE", help="as it was published (.pth)")


def _download(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.console import bars
        from haqagen_jax.weights import store
        from haqagen_jax.weights.catalog import CATALOG, find
        from haqagen_jax.weights.download import download

        if ALL in args.name and len(args.name) > 1:
            raise InputError(f"names = {' '.join(args.name)}: give names, or {ALL}, not both")
        every = [entry.name for entry in CATALOG]
        for entry in [find(name) for name in (every if args.name == [ALL] else args.name)]:
            if not store.available(entry.name):
                with bars(True) as display:
                    task = display.add_task(f"{entry.name}, MB", total=round(entry.size / 1e6, 1))
                    download(
                        entry, lambda n, task=task: display.update(task, completed=round(n / 1e6))
                    )
            _say(entry.name, store.path(entry.name))
        return 0

    parser = command(commands, "download", "fetch published files; goes on where it ended", run)
    parser.set_defaults(resume_hint="; run the same command to go on")
    parser.add_argument(
        "name", nargs="+", metavar="NAME", help=f"of `haqagen weights list`, or {ALL}"
    )


def _say(name: str, place: Path) -> None:
    from haqagen_jax.weights.catalog import find

    print(f"{name}: {place}\nlicence: {find(name).licence}")
