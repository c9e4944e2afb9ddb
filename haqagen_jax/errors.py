"""The one exception for what a user can mend: a file, an option, a directory."""

import unicodedata

_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, line and paragraph ends


class InputError(ValueError):
    """A bad input or option. The message is one line: name, value, constraint, remedy."""

    def __str__(self) -> str:
        return printable(super().__str__())


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
