"""Which model a user means; checked without jax, which takes seconds to import."""

import difflib
import os
from pathlib import Path

from haqagen_jax.config.model_place import CONFIG_FILE, problem
from haqagen_jax.errors import InputError

BUNDLED = ("fast", "small")  # the first is the default
NAMES = (*BUNDLED, "grey", "table")  # of the models that come with the package


def resolve_model(name_or_dir: str | Path | None) -> str:
    """Resolve the name of a model, without reading the model.

    Args:
        name_or_dir: See `haqagen_jax.load`.

    Returns:
        One of `NAMES`, or the path of a model directory.

    Raises:
        InputError: If it is neither; the message says what it is.
    """
    name = BUNDLED[0] if name_or_dir is None else str(name_or_dir)
    if name not in NAMES and not os.path.exists(name):
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"{name or repr(name)}: no such model directory, nor one of {', '.join(NAMES)}; give "
            f"one of these{hint}"
        )
    if name not in NAMES and not os.path.isfile(os.path.join(name, CONFIG_FILE)):
        raise InputError(f"{name}: {problem(Path(name))}")
    return name
