"""The commands that train: arguments in, one call, an exit status out."""

import argparse
import shlex
import sys
from collections.abc import Callable

from haqagen_jax.cli import given
from haqagen_jax.config.load import DEFAULT, load_config
from haqagen_jax.errors import InputError

Command = Callable[..., argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, command: Command) -> None:
    """Add the commands that train to a parser.

    Args:
        commands: Subparsers to which the commands are added.
        command: Adds one command; called with (commands, name, summary, run).
    """
    _train(commands, command)
    _pretrain_texture(commands, command)
    _pretrain_prior(commands, command)


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every training command."""
    parser.set_defaults(resume_hint="; run the same command to go on from the last checkpoint")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="DIR",
        help="data set that was built, or folder of pairs (see `haqagen dataset --help`); give it "
        "again for a union",
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


def _pretrain_texture(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        config = load_config(args.config, args.set)
        given.require_data(args.data)
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.run.texture import pretrain_texture

        pretrain_texture(args.data, args.workdir, config)
        return 0

    parser = command(
        commands, "pretrain-texture", "train and freeze the texture autoencoder f", run
    )
    _add_run_arguments(parser)


def _pretrain_prior(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        config = load_config(args.config, args.set)
        given.require_data(args.data)
        from haqagen_jax.run.prior import pretrain_prior

        made = pretrain_prior(args.data, args.photos, args.workdir, config)
        pairs = f"{args.workdir}/pairs"
        omitted = f"; {len(made.left_out)} photographs were left out" if made.left_out else ""
        print(f"{made.pairs} pairs are in {pairs}{omitted}")
        print("train on them first, then go on with real pairs alone:")
        real = [word for directory in args.data for word in ("--data", directory)]
        words = ["haqagen", "train", "--config", "configs/fast.py"]
        print(shlex.join([*words, "--data", pairs, *real, "--workdir", f"{args.workdir}/first"]))
        start = ["--init-from", f"{args.workdir}/first/model"]
        print(shlex.join([*words, *real, "--workdir", f"{args.workdir}/then", *start]))
        return 0

    parser = command(commands, "pretrain-prior", "make pairs of color photographs without NIR", run)
    _add_run_arguments(parser)
    parser.add_argument(
        "--photos", required=True, metavar="DIR", help="folder of color photographs"
    )


def _add_process_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments by which several processes train together."""
    group = parser.add_argument_group(
        "several processes",
        "the same command on every host, with its own number; see launch/",
    )
    group.add_argument(
        "--distributed",
        action="store_true",
        help="the launcher tells who is who (SLURM, Open MPI, Cloud TPU, Kubernetes)",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0")
    group.add_argument("--processes", type=int, metavar="N", help="how many there are")
    group.add_argument("--process", type=int, metavar="I", help="which one this is, from 0")


def has_others(args: argparse.Namespace) -> bool:
    """Return whether a command is one of several processes.

    Args:
        args: Parsed arguments of any command.

    Returns:
        Whether any argument of several processes is given.
    """
    given = vars(args)
    return any(given.get(name) is not None for name in ("coordinator", "processes", "process")) or (
        bool(given.get("distributed"))
    )


def _require_complete(args: argparse.Namespace) -> None:
    """Refuse arguments of several processes that are incomplete, or given in both ways."""
    given = [args.coordinator, args.processes, args.process]
    if has_others(args) and given.count(None) != (len(given) if args.distributed else 0):
        raise InputError(
            "--distributed, or all of --coordinator, --processes and --process: give one or the "
            "other"
        )


def _join(args: argparse.Namespace) -> None:
    if not has_others(args):
        return
    from haqagen_jax.run.processes import Place, join

    given = (args.coordinator, args.processes, args.process)
    join(None if args.distributed else Place(*given))


def _train(commands: argparse._SubParsersAction, command: Command) -> None:
    def run(args: argparse.Namespace) -> int:
        config = load_config(args.config, args.set)
        _require_complete(args)
        if not has_others(
            args
        ):  # they would wait for this one, which tells them when it has joined
            given.require_data(args.data)
        # Imported here: what is refused so far should not wait seconds for jax.
        from haqagen_jax.run.dry_run import plan
        from haqagen_jax.run.loop import train
        from haqagen_jax.run.processes import is_first

        _join(args)
        start = {"vgg": args.vgg, "init_from": args.init_from}
        if args.dry_run:
            plan(args.data, args.workdir, config, **start)
            return 0
        command = shlex.join(["haqagen", *sys.argv[1:]])
        model = train(args.data, args.workdir, config, command=command, **start)
        if is_first():
            words = ["haqagen", "colorize", "PHOTO", "-o", "colored", "--model", str(model)]
            print(f"the best model is {model}; color with: {shlex.join(words)}")
        return 0

    parser = command(commands, "train", "train a model, or continue where a run stopped", run)
    _add_run_arguments(parser)
    parser.add_argument(
        "--vgg",
        metavar="FILE",
        help="weights of loss.vgg_network (torchvision's .pth or .safetensors) for the term that "
        "loss.delta weighs (default: those of `haqagen weights`)",
    )
    parser.add_argument(
        "--init-from",
        metavar="DIR",
        help="what a new run's generator starts with: a model directory, or another run or one of "
        "its checkpoints; of an imported ColorMamba, its backbone",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan, with memory and time from a few steps, and write nothing",
    )
    _add_process_arguments(parser)
