"""How pairs lie in a folder, and the halves of pairs that are found there by the names of files.

    by suffix    NAME_nir.png and NAME_rgb.png together
    by folder    nir/NAME.png and rgb/NAME.png
    by table     pairs.csv with the columns nir, rgb and, if wanted, name, scene and split

A folder may hold folders train, val and test that do so. Extensions are those of images that
are read, in any case, and the two of a pair may differ. No image is opened here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from haqagen_jax.data.half import BANDS, Half, require_text
from haqagen_jax.data.split import by_split
from haqagen_jax.data.table import TABLE, read_table
from haqagen_jax.errors import InputError
from haqagen_jax.images.files import EXTENSIONS


def find(directory: Path) -> dict[str, list[Half]]:
    """Find the halves of pairs in a plain folder; no image is opened.

    Args:
        directory: The folder, or a CSV file; other files in it are ignored.

    Returns:
        The halves by split, or all of them under "" where the folder does not say.

    Raises:
        InputError: No such folder, nothing in it that looks like half a pair, a table that cannot
            be read, or a split that does not exist.
        OSError: The folder cannot be listed.
    """
    require_data(directory)
    if directory.is_file():
        return read_table(directory)
    folders = _split_folders(directory)
    if (directory / TABLE).is_file() and not folders:
        return read_table(directory / TABLE)
    halves = _by_suffix(directory) + _by_folder(directory)
    if folders:
        if halves:
            raise InputError(
                f"{directory}: {len(halves)} images lie beside {', '.join(folders)}, as "
                f"{halves[0].path.name}; move them into one of these, or away"
            )
        return {split: _find_undivided(folder) for split, folder in folders.items()}
    if not halves:
        raise InputError(
            f"{directory}: holds no pairs; name them NAME_nir.png and NAME_rgb.png (or .jpg, "
            f".tif), put them into folders nir and rgb, or list them in {TABLE}"
        )
    require_text(halves)
    return {"": halves}


def require_data(directory: str | Path) -> None:
    """Refuse what cannot hold pairs, without a look into it.

    Args:
        directory: A folder, or a CSV file.

    Raises:
        InputError: It does not exist, or is another file.
    """
    directory = Path(directory)
    table = directory.is_file() and directory.suffix.lower() == ".csv"
    if not (table or directory.is_dir()):
        fault = "is a file" if directory.exists() else "does not exist"
        raise InputError(f"{directory}: {fault}; give a folder of pairs")


def _split_folders(directory: Path) -> dict[str, Path]:
    """Return the folders named after splits, in the order of `SPLITS`."""
    folders = by_split([path for path in sorted(directory.iterdir()) if path.is_dir()])
    for split, paths in folders.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise InputError(f"{directory}: {names} both mean {split}; make them one")
    return {split: paths[0] for split, paths in folders.items()}


def _find_undivided(directory: Path) -> list[Half]:
    halves = find(directory)
    if set(halves) != {""}:
        raise InputError(
            f"{directory}: is split again, into {', '.join(halves)}; keep one split of the pairs"
        )
    return halves[""]


def files_below(directory: Path) -> Iterator[Path]:
    """List the files of a folder and of those in it, in order.

    Args:
        directory: An existing folder.

    Yields:
        Their paths; nothing that begins with a dot, and nothing of `__MACOSX`, in which archives
        from a Mac keep what is not an image.

    Raises:
        OSError: A folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(directory, onerror=fail):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX")
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _by_suffix(directory: Path) -> list[Half]:
    files = (path for path in directory.iterdir() if path.is_file() and _is_image(path))
    parts = ((path, *path.stem.rpartition("_")) for path in files)
    return [
        Half(name, band.lower(), path)
        for path, name, _, band in parts
        if name and band.lower() in BANDS
    ]


def _by_folder(directory: Path) -> list[Half]:
    return [
        Half(_name_in(folder, path), folder.name.lower(), path)
        for folder in _band_folders(directory)
        for path in files_below(folder)
        if _is_image(path)
    ]


def _band_folders(directory: Path) -> list[Path]:
    """Return the folders named nir and rgb, in any case, if both are there."""
    folders = [path for path in directory.iterdir() if path.name.lower() in BANDS and path.is_dir()]
    return folders if {path.name.lower() for path in folders} == set(BANDS) else []


def _name_in(folder: Path, path: Path) -> str:
    name = "_".join(path.relative_to(folder).with_suffix("").parts)
    suffix = f"_{folder.name.lower()}"
    return name[: -len(suffix)] if name.lower().endswith(suffix) else name


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")
