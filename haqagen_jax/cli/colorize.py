"""The command that colors files: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable

from haqagen_jax.cli import given
from haqagen_jax.cli.settings import add_settings, chosen_settings
from haqagen_jax.config.model_name import resolve_model
from haqagen_jax.errors import InputError

Command = Callable[..., argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Add `colorize` to a parser.

    Args:
        commands: Subparsers to which the command is added.
        command: Adds one command; called with (commands, name, summary, run).
    """
    parser = command(commands, "colorize", "color NIR photographs of any size", _run)
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
    _add_pixels(parser)
    _add_outputs(parser)


def _run(args: argparse.Namespace) -> int:
    settings, share = chosen_settings(args), _share(args.share)
    from haqagen_jax.batch.keep import Keep
    from haqagen_jax.batch.select import Rules
    from haqagen_jax.images.bands import Choice

    choice = Choice(args.band, args.gray, args.page)
    rules = Rules(
        overwrite=args.overwrite,
        resume=args.resume,
        max_pixels=args.max_pixels,
        share=share,
        strict=args.strict,
        choice=choice,
        stretch_from=args.stretch_from,
        shared_stretch=args.shared_stretch,
        format=args.format,
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


def _add_pixels(parser: argparse.ArgumentParser) -> None:
    """Add what is taken of a file, and how it is stretched."""
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


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add which files are colored, and what is written."""
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


def _share(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise InputError(f"share = {text!r}: must be I/N, as in 0/2 and 1/2")
    return int(index), int(count)
