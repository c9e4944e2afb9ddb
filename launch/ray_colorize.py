#!/usr/bin/env python3
"""Color files on a Ray cluster whose machines share a file system.

    pip install '.[ray]'
    python launch/ray_colorize.py PHOTOS -o COLORED --workers 4 --gpus 1

Each worker loads the model once, and takes batches of files as it becomes free.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray  # pyright: ignore[reportMissingImports] - an extra
import ray.data  # pyright: ignore[reportMissingImports]

from haqagen_jax.batch.report import Outcome, Record
from haqagen_jax.batch.select import Rules, conflicts, plan_outputs, select
from haqagen_jax.cli.settings import add_settings, chosen_settings
from haqagen_jax.errors import InputError
from haqagen_jax.inference.settings import Settings


class Worker:
    """A loaded model in a process of its own."""

    def __init__(self, model: str | None, settings: Settings, rules: Rules) -> None:
        """Load the model.

        Args:
            model: See `haqagen_jax.load`.
            settings: See `haqagen_jax.load`.
            rules: See `haqagen_jax.batch.select.Rules`.
        """
        import haqagen_jax

        self._model, self._rules = haqagen_jax.load(model, settings), rules

    def __call__(self, files: dict[str, np.ndarray]) -> dict[str, Any]:
        """Color a batch of files.

        Args:
            files: Columns "number", "input" and "output".

        Returns:
            Columns "number" and "outcome", the fields of an `Outcome` each.
        """
        from haqagen_jax.batch.run import color

        outcomes = [Outcome(*pair) for pair in zip(files["input"], files["output"], strict=True)]
        color(self._model, outcomes, self._rules, progress=False)
        return {"number": files["number"], "outcome": [vars(outcome) for outcome in outcomes]}


def main() -> None:
    """Color files, and exit as `haqagen colorize` does."""
    parser = argparse.ArgumentParser(description="Color files on a Ray cluster.")
    parser.add_argument("input", nargs="+", help="files, folders or globs")
    parser.add_argument("-o", "--out", required=True, help="folder")
    parser.add_argument("--model", help="as for haqagen colorize")
    parser.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--cpus", type=float, default=1, help="of each (default: %(default)s)")
    parser.add_argument("--gpus", type=float, default=0, help="of each (default: %(default)s)")
    parser.add_argument("--files", type=int, default=16, help="at once (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    parser.add_argument("--resume", action="store_true", help="skip outputs that are there")
    parser.add_argument("--strict", action="store_true", help="refuse images of one value")
    parser.add_argument("--report", help="JSON file that lists what became of each")
    add_settings(parser)
    args = parser.parse_args()
    try:
        sys.exit(run(args))
    except InputError as error:
        sys.exit(f"ray_colorize: {error}")


def run(args: argparse.Namespace) -> int:
    """Plan the outputs, distribute the files to workers, and collect the outcomes.

    Args:
        args: Parsed arguments.

    Returns:
        The exit status: 0 when every file was colored, else 1.

    Raises:
        InputError: See `haqagen_jax.batch.run.colorize_files`.
    """
    settings, rules = chosen_settings(args), Rules(args.overwrite, args.resume, strict=args.strict)
    selection = select(args.input, args.out)
    jobs = plan_outputs(selection.files, Path(args.out), selection.roots)
    record = Record(selection, jobs, conflicts(jobs))
    record.prepare_folders(Path(args.out))
    items = [
        {"number": i, "input": os.path.abspath(file.input), "output": os.path.abspath(file.output)}
        for i, file in enumerate(record.files)
        if file.status == "left" and file.output is not None
    ]
    ray.init(ignore_reinit_error=True)
    done = ray.data.from_items(items).map_batches(
        Worker,
        fn_constructor_args=(args.model, settings, rules),
        batch_size=args.files,
        concurrency=args.workers,
        num_cpus=args.cpus,
        num_gpus=args.gpus,
    )
    try:
        for row in done.iter_rows():
            record.files[row["number"]] = Outcome(**row["outcome"])
    finally:
        if args.report is not None:
            record.write(Path(args.report), {"model": args.model, "settings": vars(settings)})
    for outcome in (*record.refused, *record.files):
        if outcome.message is not None:
            print(f"ray_colorize: {outcome.message}", file=sys.stderr)
    print(record.summary(args.out))
    return 1 if record.count("failed") or record.count("left") else 0


if __name__ == "__main__":
    main()
