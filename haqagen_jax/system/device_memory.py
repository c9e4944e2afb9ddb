"""A device's lack of memory, worded for who can do something about it."""

import contextlib
from collections.abc import Iterator

from haqagen_jax.errors import InputError


@contextlib.contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Takes a device's lack of memory for a bad choice of the user's.

    Args:
        what: is computed, for the message: "a step".
        remedy: for the message.

    Raises:
        InputError: the device has too little memory.
    """
    try:
        yield
    except RuntimeError as error:
        import jax  # here: it is there where it can fail, and costs nobody else time

        full = isinstance(error, jax.errors.JaxRuntimeError)
        if not full or "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(f"{what} needs more memory than the device has free; {remedy}") from None
