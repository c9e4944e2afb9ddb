"""The work directory of a run: whether there can be one, before anything is read or computed."""

import contextlib
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax

from haqagen_jax.errors import InputError, reason


def require_room(directory: Path, state: Any, *, copies: int) -> None:
    """Makes sure that the checkpoints of a run find room.

    Args:
        directory: of the run; need not exist.
        state: a tree of arrays or of their shapes.
        copies: how many checkpoints there may be at once.

    Raises:
        InputError: the disk has less.
    """
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    needed = copies * sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(state))
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(
            f"workdir = {directory}: the disk has {free / 1e9:.1f} GB left, and {copies} "
            f"checkpoints need {needed / 1e9:.1f} GB; make room, or choose another --workdir"
        )


def require_workdir(directory: Path) -> None:
    """Makes sure that files can be written to a directory, and leaves nothing behind.

    Args:
        directory: need not exist.

    Raises:
        InputError: it is a file, cannot be made, or cannot be written to.
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
