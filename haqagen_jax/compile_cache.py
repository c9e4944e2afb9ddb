"""Compiled programs that outlive a process, so that the second start of a command is quick."""

import os

import jax

from haqagen_jax.system.cache import cache_folder

_SHORTEST = 0.3  # seconds of compilation that are worth a file


def keep_programs() -> None:
    """Keeps compiled programs in the user's cache folder, if it can be written into.

    `JAX_COMPILATION_CACHE_DIR` in the environment says another place; empty, it says none.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    place = cache_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(place, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(place))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SHORTEST)
