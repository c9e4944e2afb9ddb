"""Check the work directory of a run, before anything is read or computed."""

import contextlib
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax

from haqagen_jax.errors import InputError, reason


def require_room(directory: Path, state: Any, *, copies: int) -> None:
    """Require enough free disk space for the checkpoints of a run.

    Args:
        directory: Work directory of the run; need not exist.
        state: The state that is saved, as arrays or their shapes.
        copies: Number of checkpoints that may exist at once.

    Raises:
        InputError: The disk has less space.
    """
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    needed = copies * sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(state))
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise InputError(
            f"workdir = {directory}: the disk has {free / 1e9:.1f} GB left, and {copies} "
            f"checkpoints need {needed / 1e9:.1f} GB; make room, or choose another --workdir"
        )


def require_workdir(directory: Path) -> None:
    """Require that files can be written to a directory, and leave nothing behind.

    Args:
        directory: The directory; need not exist.

    Raises:
        InputError: It is a file, cannot be made, or cannot be written to.
    """
    made: list[Path] = []
    try:
        made = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        raise InputError(
            f"workdir = {directory}: cannot be made or written to ({reason(error)}); choose "
            "another --workdir"
        ) from None
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()
