"""The one exception for what a user can mend: a file, an option, a directory."""


class InputError(ValueError):
    """A bad input or option. The message is one line: name, value, constraint, remedy."""
