"""The user's cache folder: what the package may keep there, and compute or fetch again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns the folder, which need not exist.

    `HAQAGEN_CACHE` in the environment names it; without, it is `haqagen_jax` among the user's
    caches (`XDG_CACHE_HOME`, or `~/.cache`).
    """
    if os.environ.get("HAQAGEN_CACHE"):
        return Path(os.environ["HAQAGEN_CACHE"])
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "haqagen_jax"
