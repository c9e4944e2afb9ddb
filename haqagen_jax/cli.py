"""The `haqagen` command: arguments in, one call, an exit status out. No logic lives here."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.errors import InputError
from haqagen_jax.presets import DEFAULT, load_config
from haqagen_jax.version import __version__


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line and exits.

    Args:
        argv: the words after `haqagen`; by default the process's own.
    """
    args = _parser().parse_args(argv)
    _quiet()
    try:
        sys.exit(args.run(args))
    except InputError as error:
        print(f"haqagen: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("haqagen: interrupted; run the same command to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _quiet() -> None:
    """Keeps the C++ runtime's start-up chatter off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="haqagen",
        description="Natural colour from near-infrared pictures (HAQAGen in JAX).",
        epilog="`haqagen COMMAND --help` explains a command. Start with: haqagen colorize PHOTO -o OUT",
    )
    parser.add_argument("--version", action="version", version=f"haqagen {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_pretrain_texture,):
        add(commands)
    return parser


def _command(commands: argparse._SubParsersAction, name: str, summary: str, run) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.set_defaults(run=run)
    return parser


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What every training command takes."""
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR",
        help="folder of NAME_nir.* and NAME_rgb.* pairs, or with train/ and val/ folders of them; "
        "give it again for a union",
    )
    parser.add_argument("--workdir", required=True, metavar="W", help="where the run lives")
    parser.add_argument(
        "--config",
        default=f"{DEFAULT}:paper",
        metavar="FILE:SIZE",
        help="configuration file and its argument (default: %(default)s)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one value, as train.steps=2000; give it again for more",
    )


def _pretrain_texture(commands: argparse._SubParsersAction) -> None:
    def run(args: argparse.Namespace) -> int:
        from haqagen_jax.train.texture import pretrain_texture

        config = load_config(args.config, args.set)
        pretrain_texture(args.data, args.workdir, config)
        return 0

    parser = _command(
        commands, "pretrain-texture", "train and freeze the texture autoencoder f", run
    )
    _add_run_arguments(parser)
