"""The names of colored files. No file is touched here."""

import os
from pathlib import Path

from haqagen_jax.images.files import EXTENSIONS, WRITTEN
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


def colored_name(path: Path, suffix: str | None = None) -> str:
    """Name the colors of a file.

    Args:
        path: The NIR image.
        suffix: The extension that is wanted; None: the image's own as it is written there, .png
            where that is of a format that is not written.

    Returns:
        `X_rgb.png` for `X_nir.png` and for `X.png`. Where that is too long a name, X is
        `shortened`.
    """
    if suffix is None:
        suffix = path.suffix if path.suffix.lower() in WRITTEN else WRITTEN[0]
    stem = path.stem[: -len("_nir")] if band(path) == "nir" else path.stem
    end = f"_rgb{suffix}"
    return shortened(stem, NAME_BYTES - len(os.fsencode(end))) + end


def colored_names(path: Path, suffix: str | None = None) -> set[str]:
    """Name the colors of a file in all containers that this program may have chosen for them.

    Args:
        path: The NIR image.
        suffix: An extension that the user wants of all colors; None: no other than by itself.

    Returns:
        The names: of a JPEG, which may have 12 bits, a PNG too; of a format that is not written
        also a TIFF.
    """
    own = path.suffix.lower()
    more = {".jpg": (".png",), ".jpeg": (".png",), ".png": (), ".tif": (), ".tiff": ()}
    wanted = () if suffix is None else (suffix,)
    chosen = {colored_name(path, other) for other in (*more.get(own, (".tif",)), *wanted)}
    return {colored_name(path), *chosen}
