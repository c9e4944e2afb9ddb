"""The one exception for what a user can mend, a file, an option, a directory, and its wording."""

import contextlib
import unicodedata
from collections.abc import Iterator

_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, line and paragraph ends


class InputError(ValueError):
    """A bad input or option. The message is one line: name, value, constraint, remedy."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """A command that was asked to stop has done so; the message says how to go on."""

    def __init__(self, message: str, *, number: int) -> None:
        """Remembers the signal.

        Args:
            message: one line.
            number: of the signal that asked.
        """
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def located(place: object) -> Iterator[None]:
    """Puts a place before the message of what is raised inside.

    Args:
        place: a file, or what else holds the input.

    Raises:
        InputError: the one from inside, its message beginning with the place.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


@contextlib.contextmanager
def reachable() -> Iterator[None]:
    """Takes a failure of the file system for a bad input.

    Raises:
        InputError: a file or folder cannot be listed, read, made or written.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or 'a file'}: cannot be reached ({reason(error)}); check its rights, "
            "and the room on its disk"
        ) from None


@contextlib.contextmanager
def decodable() -> Iterator[None]:
    """Takes whatever a decoder raises for damage: their C libraries raise what they hit first.

    Raises:
        InputError: the content is damaged. One from inside, and a MemoryError, stay as they are.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"truncated or damaged ({reason(error)}); copy or export it again"
        ) from None


def reason(error: BaseException) -> str:
    """Says why, without the path that the caller names anyway.

    Args:
        error: from a library or the system.

    Returns:
        One line.
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def printable(text: str) -> str:
    """Escapes what a terminal would not show as part of the line, as file names may hold.

    Args:
        text: any.

    Returns:
        One line, with `\\n` and the like spelled out.
    """
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _BREAKS else character
        for character in text
    )
