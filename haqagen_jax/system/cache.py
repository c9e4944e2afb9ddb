"""The user's cache folder, and the compiled programs in it, with which a start is quick.

What is kept there can be computed or fetched again.
"""

import os
from pathlib import Path

_SHORTEST = 0.3  # seconds of compilation that are worth a file


def cache_folder() -> Path:
    """Returns the folder, which need not exist.

    `HAQAGEN_CACHE` in the environment names it; without, it is `haqagen_jax` among the user's
    caches (`XDG_CACHE_HOME`, or `~/.cache`).
    """
    if os.environ.get("HAQAGEN_CACHE"):
        return Path(os.environ["HAQAGEN_CACHE"])
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "haqagen_jax"


def keep_programs() -> None:
    """Keeps compiled programs in the user's cache folder, if it can be written into.

    `JAX_COMPILATION_CACHE_DIR` in the environment says another place; empty, it says none.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    import jax  # here: nothing else of this folder needs it

    place = cache_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(place, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(place))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SHORTEST)
