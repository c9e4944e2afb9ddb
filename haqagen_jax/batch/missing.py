"""Tell at once that there is nothing to color: no model is loaded for files that do not exist."""

import os
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.batch.report import Record
from haqagen_jax.batch.select import Rules, plan_outputs, select
from haqagen_jax.errors import InputError
from haqagen_jax.images.files import read_size
from haqagen_jax.system.console import complain


def complain_of_missing(inputs: Sequence[str], out: str, rules: Rules) -> bool:
    """Print what `haqagen_jax.batch.run.colorize_files` prints if no file to color exists.

    Args:
        inputs: See `colorize_files`.
        out: See `colorize_files`.
        rules: See `colorize_files`.

    Returns:
        Whether it was printed. If not, there may be something to color, or more to say.

    Raises:
        InputError: No input, two inputs for one output, or an output that is an input.
    """
    selection = select(inputs)
    which, of = rules.share
    jobs = plan_outputs(selection.files, Path(out), suffix=rules.suffix)[which::of]
    if selection.refused or any(os.path.lexists(path) for job in jobs for path in job):
        return False
    record = Record(selection, jobs)
    for file in record.files:
        try:
            read_size(Path(file.input))
        except InputError as error:
            file.status, file.message = "failed", str(error)
            complain(file.message)
    print(record.summary(out))
    return bool(record.files)
