"""The `haqagen` command: arguments in, one call, an exit status out. No logic lives here."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.cli import dataset, evaluate, given, train, weights
from haqagen_jax.cli.ending import Ending
from haqagen_jax.cli.settings import add_settings, chosen_settings
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
    _colorize(commands)
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


def _share(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise InputError(f"share = {text!r}: must be I/N, as in 0/2 and 1/2")
    return int(index), int(count)


def _colorize(commands: argparse._SubParsersAction) -> None:
    def run(args: argparse.Namespace) -> int:
        settings, share = chosen_settings(args), _share(args.share)
        from haqagen_jax.batch.keep import Keep
        from haqagen_jax.batch.select import Rules
        from haqagen_jax.images.bands import Choice

        choice = Choice(args.band, args.gray, args.page)
        limit = args.max_pixels
        rules = Rules(
            args.overwrite,
            args.resume,
            limit,
            share,
            args.strict,
            choice,
            args.stretch_from,
            args.shared_stretch,
            args.format,
        )
        resolve_model(args.model)
        if args.report is None and given.nothing_to_color(args.input, args.out, rules):
            return 1
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.batch.run import colorize_files
        from haqagen_jax.system.cache import keep_programs

        keep_programs()
        keep = Keep(metadata=not args.no_metadata, verbose=args.verbose)
        return colorize_files(
            args.input, args.out, args.model, settings, rules, report=args.report, keep=keep
        )

    parser = _command(commands, "colorize", "color NIR photographs of any size", run)
    parser.add_argument(
        "input",
        nargs="+",
        metavar="INPUT",
        help="files, folders (with their sub-folders) or globs: PNG, JPEG, TIFF, camera raw and "
        "others",
    )
    parser.add_argument(
        "-o", "--out", required=True, metavar="OUT", help="folder, or file name for one input"
    )
    parser.add_argument(
        "--model",
        metavar="NAME|DIR",
        help="fast (default) or small, which are bundled; grey, table; or a model directory",
    )
    parser.add_argument(
        "--mode",
        default="whole",
        metavar="M",
        help="whole (default): the network sees the image at once, reduced; sliding: the paper's "
        "window at the image's own size",
    )
    add_settings(parser)
    parser.add_argument(
        "--band", metavar="N|NAME", help="of an image with several: a number from 1, nir, red ..."
    )
    parser.add_argument(
        "--gray",
        metavar="G",
        help="what to take of a color file that shows near infrared: luma, red or max",
    )
    parser.add_argument(
        "--stretch-from", metavar="FILE", help="stretch all images as this one is stretched"
    )
    parser.add_argument(
        "--shared-stretch",
        action="store_true",
        help="stretch all images alike, by the pixels of all (a sequence, or a mosaic's files)",
    )
    parser.add_argument(
        "--page", metavar="N|all", help="of a TIFF with several images: a number from 1, or all"
    )
    parser.add_argument(
        "--format",
        metavar="F",
        help="png, jpg or tif (default: as the input, where that can be written)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--resume", action="store_true", help="go on: skip outputs that are there")
    parser.add_argument(
        "--strict", action="store_true", help="refuse images of one value, which become one gray"
    )
    parser.add_argument("--report", metavar="FILE", help="JSON file that lists what became of each")
    parser.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="largest image (default: 1e9; none for plain TIFF, which is read by parts)",
    )
    parser.add_argument(
        "--share",
        default="0/1",
        metavar="I/N",
        help="of N processes that share the files this is number I, from 0",
    )
    parser.add_argument(
        "--no-metadata",
        action="store_true",
        help="write pixels and the sRGB profile alone: no EXIF, XMP, place or resolution",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="tell which metadata an output cannot keep"
    )


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
