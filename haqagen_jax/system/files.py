"""Atomic writes: a file is complete under its name, or not there."""

import contextlib
import glob
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from haqagen_jax.errors import InputError, reason

NAME_BYTES = 255  # that a file's name may have; the file systems in use agree
_PART_BYTES = 17  # of what a part's name has beside the name: two dots, process, ".part"


def shortened(name: str, most: int) -> str:
    """Cut a name that has too many bytes, and tell it from others with the same beginning.

    Args:
        name: A file's name or a part of it.
        most: Bytes that it may have, at least 9.

    Returns:
        `name` where it fits; else its beginning, "~" and eight digits that depend on all of it.
    """
    data = os.fsencode(name)
    if len(data) <= most:
        return name
    end = f"~{hashlib.sha256(data).hexdigest()[:8]}"
    start = name[:most]
    while len(os.fsencode(start)) > most - len(end):  # characters, which may have several bytes
        start = start[:-1]
    return start + end


def prepare_folder(folder: Path, *, remedy: str = "choose another folder with --out") -> None:
    """Create a folder, and prove that files can be written into it.

    Args:
        folder: It may exist.
        remedy: What the message advises.

    Raises:
        InputError: It cannot be made, or nothing can be written.
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
    """Write a file; atomic: the name appears with the last byte or not at all.

    Args:
        path: The file; one of that name is replaced.
        data: Its content.

    Raises:
        InputError: It cannot be written; nothing has changed.
    """
    with replaced(path) as file:
        file.write(data)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[io.BufferedRandom]:
    """Open a file for an atomic write: it gets its name when the block ends without an error.

    Args:
        path: The file; one of that name is replaced. Until then it is `.NAME.PROCESS.part`, where
            a long name is `shortened`.

    Yields:
        The file, open for writing and reading.

    Raises:
        InputError: It cannot be written; nothing has changed.
    """
    part = path.with_name(f".{_part_name(path)}.{os.getpid()}.part")
    try:
        with part.open("w+b") as file:
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
    """Remove the partial files that killed processes left; those that cannot be removed stay.

    Args:
        path: The file that they were to become.
    """
    for part in path.parent.glob(f".{glob.escape(_part_name(path))}.*.part"):
        with contextlib.suppress(OSError):
            part.unlink()


def _part_name(path: Path) -> str:
    return shortened(path.name, NAME_BYTES - _PART_BYTES)
