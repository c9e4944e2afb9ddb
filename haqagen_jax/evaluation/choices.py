"""What an evaluation can be asked for; checked without jax, which takes seconds to import."""

from collections.abc import Sequence

from haqagen_jax.errors import InputError

MODES = ("whole", "sliding", "resize")


def check_choices(models: Sequence[str], modes: Sequence[str]) -> None:
    """Refuse repeated models and modes, and modes that do not exist.

    Args:
        models: Names or directories of models.
        modes: Modes in which each model is scored.

    Raises:
        InputError: If a name is given twice, or a mode is not one of `MODES`.
    """
    for what, words in (("model", models), ("mode", modes)):
        twice = next((word for word in words if words.count(word) > 1), None)
        if twice is not None:
            raise InputError(f"{what} = {twice!r}: is given twice; name each once")
    for mode in modes:
        if mode not in MODES:
            raise InputError(f"mode = {mode!r}: must be one of {', '.join(MODES)}")
