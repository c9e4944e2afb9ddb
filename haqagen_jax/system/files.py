"""Files that are written: complete under their name, or not there."""

import contextlib
import glob
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from haqagen_jax.errors import InputError, reason


def prepare_folder(folder: Path, *, remedy: str = "choose another folder with --out") -> None:
    """Makes a folder, and proves that files can be written into it.

    Args:
        folder: may exist.
        remedy: for the message.

    Raises:
        InputError: it cannot be made, or nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({reason(error)}); {remedy}") from None
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written into ({reason(error)}); {remedy}") from None


def write_bytes(path: Path, data: bytes | bytearray) -> None:
    """Writes a file; the name appears with the last byte or not at all.

    Args:
        path: of the file; one of that name is replaced.
        data: all of it.

    Raises:
        InputError: it cannot be written; nothing has changed.
    """
    with replaced(path) as file:
        file.write(data)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[io.BufferedWriter]:
    """Opens a file whose name appears with its last byte, when the block ends without an error.

    Args:
        path: of the file; one of that name is replaced. Until then it is `.NAME.PROCESS.part`.

    Raises:
        InputError: it cannot be written; nothing has changed.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({reason(error)}); free the disk or choose another folder"
        ) from None
    finally:
        # After a failure or an interrupt; after success the name is gone already. A failure to
        # remove must not hide the failure to write.
        with contextlib.suppress(OSError):
            part.unlink()


def remove_parts(path: Path) -> None:
    """Removes what processes that were killed left of a file; one that cannot be removed stays.

    Args:
        path: of the file.
    """
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            part.unlink()
