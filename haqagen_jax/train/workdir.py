"""The work directory of a run: whether there can be one, before anything is read or computed."""

import contextlib
import tempfile
from pathlib import Path

from haqagen_jax.errors import InputError, reason


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
