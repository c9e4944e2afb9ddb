"""The names of colored files. No file is touched here."""

import os
from pathlib import Path

from haqagen_jax.images.files import EXTENSIONS
from haqagen_jax.system.files import NAME_BYTES, shortened


def is_image(path: Path) -> bool:
    """Tell by its extension, in any case, whether a file is an image.

    Args:
        path: The file.

    Returns:
        Whether it can be colored.
    """
    return path.suffix.lower() in EXTENSIONS


def band(path: Path) -> str:
    """Return what follows the last underscore of a file's name, in lower case.

    Args:
        path: The file.

    Returns:
        "nir" for `X_NIR.png`; "" without an underscore.
    """
    return path.stem.lower().rpartition("_")[2] if "_" in path.stem else ""


def colored_name(path: Path) -> str:
    """Name the colors of a file.

    Args:
        path: The NIR image.

    Returns:
        `X_rgb.png` for `X_nir.png` and for `X.png`, the extension as it is written there. Where
        that is too long a name, X is `shortened`.
    """
    stem = path.stem[: -len("_nir")] if band(path) == "nir" else path.stem
    end = f"_rgb{path.suffix}"
    return shortened(stem, NAME_BYTES - len(os.fsencode(end))) + end
