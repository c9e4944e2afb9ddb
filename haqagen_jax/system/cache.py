"""The user's cache directory, and the compiled programs in it, which make a start quick.

Everything in it can be computed or fetched again.
"""

import os
from pathlib import Path

_SHORTEST = 0.3  # seconds of compilation that are worth a file


def cache_directory() -> Path:
    """Return the cache directory: `HAQAGEN_CACHE` of the environment, if that is set.

    Returns:
        A path that need not exist; by default `haqagen_jax` among the user's caches
        (`XDG_CACHE_HOME`, or `~/.cache`).
    """
    if os.environ.get("HAQAGEN_CACHE"):
        return Path(os.environ["HAQAGEN_CACHE"])
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "haqagen_jax"


def keep_programs() -> None:
    """Keep compiled programs in the user's cache directory, if it can be written into.

    `JAX_COMPILATION_CACHE_DIR` of the environment takes precedence; empty, it turns the cache off.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    import jax  # here, as nothing else of this package needs its import of a second

    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(directory, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(directory))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SHORTEST)
