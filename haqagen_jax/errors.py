"""The exception for errors that a user can correct (a file, an option), and its wording."""

import contextlib
import unicodedata
from collections.abc import Iterator

_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, line and paragraph ends


class InputError(ValueError):
    """A bad input or option. The message is one line: name, value, constraint, remedy."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """A command has stopped on a signal; the message says how to resume it."""

    def __init__(self, message: str, *, number: int) -> None:
        """Keep the message and the signal.

        Args:
            message: One line.
            number: Number of the signal.
        """
        super().__init__(message)
        self.number = number


@contextlib.contextmanager
def located(place: object) -> Iterator[None]:
    """Prefix the message of an InputError from inside with the place of the input.

    Args:
        place: Path or description of the input.

    Raises:
        InputError: An error from inside, its message beginning with `place`.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


@contextlib.contextmanager
def reachable() -> Iterator[None]:
    """Turn an OSError from inside into an InputError.

    Raises:
        InputError: A file or folder cannot be listed, read, made or written.
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
    """Turn any error of a decoder into an InputError about damaged content.

    All exceptions are taken for damage, because decoders raise whatever their C libraries meet
    first in a damaged file. An InputError and a MemoryError from inside stay as they are.

    Raises:
        InputError: The content is damaged.
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
    """Return the reason that an exception gives, without the path that its message may repeat.

    Args:
        error: An exception of a library or of the operating system.

    Returns:
        One line; the name of the exception if it says nothing.
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def printable(text: str) -> str:
    """Escape the characters that would break a line or not show on a terminal.

    Args:
        text: Any text, such as a file name.

    Returns:
        One line, with `\\n` and the like spelled out.
    """
    return "".join(
        ascii(character)[1:-1] if unicodedata.category(character) in _BREAKS else character
        for character in text
    )
