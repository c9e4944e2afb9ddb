"""The `haqagen` command: arguments in, one call, an exit status out. No logic lives here."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.cli import colorize, dataset, evaluate, train, weights
from haqagen_jax.cli.ending import Ending
from haqagen_jax.config.load import DEFAULT, SIZES
from haqagen_jax.config.model_name import resolve_model
from haqagen_jax.errors import InputError
from haqagen_jax.version import __version__


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        argv: Arguments after `haqagen`; None: those of the process.

    Raises:
        SystemExit: With the exit status, unless a bug raises something else.
    """
    with Ending() as ending:
        args = _parser().parse_args(argv)
        ending.hint = args.resume_hint or ""
        ending.at_once = train.has_others(args)
        _require_nonempty(args)
        _quiet()
        sys.exit(args.run(args))


def _require_nonempty(args: argparse.Namespace) -> None:
    """Refuse empty arguments: as a path, an empty one would mean the current folder."""
    for name, value in vars(args).items():
        if value == "" or (isinstance(value, list) and "" in value):
            raise InputError(
                f"{name.replace('_', '-')} = '': must not be empty; name it, or leave it out"
            )


def _quiet() -> None:
    """Silence the start-up messages of the C++ runtime."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="haqagen",
        description="Natural color from near-infrared images (HAQAGen in JAX).",
        epilog="`haqagen COMMAND --help` explains one; begin with: haqagen colorize PHOTO -o OUT",
    )
    parser.add_argument("--version", action="version", version=f"haqagen {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    colorize.add(commands, _command)
    evaluate.add(commands, _command)
    train.add(commands, _command)
    dataset.add(commands, _command)
    weights.add(commands, _command)
    for add in (_export, _info, _demo):
        add(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction, name: str, summary: str, run
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run, resume_hint=None)
    return parser


def _export(commands: argparse._SubParsersAction) -> None:
    def run(args: argparse.Namespace) -> int:
        resolve_model(args.model)
        from haqagen_jax.export import export_model

        return export_model(args.model, args.out, overwrite=args.overwrite)

    parser = _command(commands, "export", "write a model as one StableHLO file", run)
    parser.add_argument("--model", metavar="NAME|DIR", help="as for colorize")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="as in m.stablehlo")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _info(commands: argparse._SubParsersAction) -> None:
    def run(args: argparse.Namespace) -> int:
        if args.checkpoint is not None:
            from haqagen_jax.cli.info import checkpoint_info

            checkpoint_info(args.checkpoint)
            return 0
        from haqagen_jax.cli.info import info

        info(args.config or [f"{DEFAULT}:{size}" for size in SIZES])
        return 0

    parser = _command(commands, "info", "what configurations cost, or what a checkpoint holds", run)
    parser.add_argument(
        "checkpoint",
        nargs="?",
        metavar="CHECKPOINT",
        help="a run's --workdir or one of its checkpoints, instead of configurations",
    )
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE:SIZE",
        help=f"a configuration; again for more (default: {DEFAULT} at all sizes)",
    )


def _demo(commands: argparse._SubParsersAction) -> None:
    def run(args: argparse.Namespace) -> int:
        resolve_model(args.model)
        from haqagen_jax.cli.demo import demo
        from haqagen_jax.system.cache import keep_programs

        keep_programs()
        return demo(
            Path(args.out), image=Path(args.image) if args.image else None, model=args.model
        )

    parser = _command(commands, "demo", "render NIR scenes, color them, lay them side by side", run)
    parser.add_argument("-o", "--out", default="demo", metavar="OUT", help="folder (default: demo)")
    parser.add_argument("--image", metavar="FILE", help="color this photograph instead")
    parser.add_argument("--model", metavar="NAME|DIR", help="as for colorize")
