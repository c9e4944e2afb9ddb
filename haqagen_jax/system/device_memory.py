"""Report that a device has too little memory as an error with a remedy."""

import contextlib
from collections.abc import Iterator

from haqagen_jax.errors import InputError


@contextlib.contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Turn an out-of-memory error of a device into an `InputError`.

    Args:
        what: The computation, for the message, as "a step".
        remedy: What the message advises.

    Raises:
        InputError: The device has too little memory.
    """
    try:
        yield
    except RuntimeError as error:
        import jax  # here, as only code that has imported it can fail so

        full = isinstance(error, jax.errors.JaxRuntimeError)
        if not full or "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(f"{what} needs more memory than the device has free; {remedy}") from None
