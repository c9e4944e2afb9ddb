"""The commands that score: arguments in, one call, an exit status out."""

import argparse
from collections.abc import Callable

from haqagen_jax.cli import given
from haqagen_jax.cli.settings import add_settings, chosen_settings
from haqagen_jax.config.load import SIZES
from haqagen_jax.config.model_name import resolve_model
from haqagen_jax.data.split import SPLITS
from haqagen_jax.errors import InputError
from haqagen_jax.evaluation.choices import check_choices
from haqagen_jax.reproduce.experiments import TABLES, named

Command = Callable[..., argparse.ArgumentParser]
EPILOG = """\
table2           HAQAGen beside ten other methods, VCIP 2020
table3           HAQAGen on each of the four sets; give each with --data SET=DIR
table4           what the loss is made of
table5           with and without the predicted HSV map
histogram-sweep  tau and B of the histogram loss
stride-sweep     one model (--model) at several strides of the sliding window; trains nothing

Rows are trained under W/SET/ROW, or gone on with, or reused; what rows share is trained once. A row
whose data or weights are missing says so, and the others are done.
"""
_STRIDE_SWEEP = "stride-sweep"
_ALL = (*TABLES, _STRIDE_SWEEP)


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Add `evaluate` and `reproduce` to a parser.

    Args:
        commands: Subparsers to which the commands are added.
        command: Adds one command; called with (commands, name, summary, run).
    """
    _evaluate(commands, command)
    _reproduce(commands, command)


def _evaluate(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        settings = chosen_settings(args)
        models, modes = args.model.split(","), args.modes.split(",")
        check_choices(models, modes)
        for model in models:
            resolve_model(model)
        given.require_data([args.data])
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.evaluation.evaluate import evaluate
        from haqagen_jax.system.cache import keep_programs

        keep_programs()
        return evaluate(
            args.data,
            models,
            split=args.split,
            modes=modes,
            lpips=args.lpips,
            out=args.out,
            settings=settings,
            overwrite=args.overwrite,
        )

    parser = command(commands, "evaluate", "score models on pairs, side by side", run)
    parser.add_argument(
        "--data", required=True, metavar="DIR", help="folder of pairs, or a data set that was built"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help="which part of it (default: all of a folder without splits)",
    )
    parser.add_argument(
        "--model",
        default="fast,small,grey,table",
        metavar="M[,M...]",
        help="names or model directories (default: %(default)s)",
    )
    parser.add_argument(
        "--mode",
        dest="modes",
        default="whole",
        metavar="M[,M...]",
        help="whole: seen at once (default); sliding: the paper's window at the image's own size; "
        "resize: the image as one tile",
    )
    _add_lpips(parser)
    parser.add_argument(
        "--out", metavar="OUT", help="folder for the tables, every image's values and a page"
    )
    add_settings(parser)
    parser.set_defaults(stretch="minmax")  # as published figures are computed
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist")


def _reproduce(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        if args.model is not None and args.table != _STRIDE_SWEEP:
            raise InputError(f"model = {args.model}: is for stride-sweep; {args.table} trains")
        resolve_model(args.model)
        sets = named(args.data)
        given.require_data(sets.values())
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.reproduce.reproduce import Recipe, reproduce
        from haqagen_jax.reproduce.stride import sweep
        from haqagen_jax.system.cache import keep_programs

        keep_programs()
        if args.table == _STRIDE_SWEEP:
            if len(sets) > 1:
                raise InputError(f"data = {' '.join(args.data)}: {args.table} takes one directory")
            [data] = sets.values()
            return sweep(data, args.workdir, model=args.model, lpips=args.lpips)
        recipe = Recipe(args.size, tuple(args.set), args.vgg, args.lpips)
        return reproduce(args.table, args.data, args.workdir, recipe)

    parser = command(commands, "reproduce", "train and score a table of the paper", run)
    parser.set_defaults(resume_hint="; run the same command to go on")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("table", choices=_ALL, metavar="TABLE", help="one of those below")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="[SET=]DIR",
        help="pairs of a set (vcip2020 where none is named); give it again for more sets",
    )
    parser.add_argument("--workdir", required=True, metavar="W", help="where everything lives")
    parser.add_argument(
        "--size", choices=SIZES, default="paper", help="of the networks (default: %(default)s)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one value in every row, as train.steps=300; give it again for more",
    )
    parser.add_argument(
        "--vgg",
        metavar="FILE",
        help="weights of loss.vgg_network (default: those of `haqagen weights`)",
    )
    _add_lpips(parser)
    parser.add_argument("--model", metavar="NAME|DIR", help="of stride-sweep; as for colorize")


def _add_lpips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lpips",
        choices=("alex", "vgg", "none"),
        help="backbone of LPIPS (default: alex, if `haqagen weights` has it)",
    )
