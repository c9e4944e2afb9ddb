"""Which files a user means, and what their coloured versions are called. Nothing is read here."""

import dataclasses
import glob
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.errors import InputError
from haqagen_jax.imageio import EXTENSIONS


@dataclasses.dataclass(frozen=True)
class Selection:
    """The files to colour, and how many were passed over.

    Attributes:
        files: in the order given; a folder's or a glob's by name; each file once.
        beside: images in data-set folders that are not `*_nir`.
        other: files in folders that are not images by their extension.
    """

    files: tuple[Path, ...]
    beside: int = 0
    other: int = 0


def select(inputs: Sequence[str]) -> Selection:
    """Resolves files, folders and globs.

    A folder stands for its images; one that holds both `*_nir` and `*_rgb` images is a data set
    and stands for the `*_nir` ones. What does not exist, a glob without a match and a folder
    without an image are kept as they are: reading them will say so, and the others are done.

    Args:
        inputs: names as the user typed them.

    Returns:
        At least one file.

    Raises:
        InputError: no input at all, or a folder that cannot be listed.
    """
    files: dict[Path, Path] = {}
    beside = other = 0
    for name in inputs:
        for path in _expand(name):
            found = _folder(path) if path.is_dir() else Selection((path,))
            files |= {file.resolve(): file for file in found.files if file.resolve() not in files}
            beside, other = beside + found.beside, other + found.other
    if not files:
        raise InputError("no input; name image files, folders or globs")
    return Selection(tuple(files.values()), beside, other)


def plan_outputs(files: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Names the coloured version of every file.

    `X_nir.png` becomes `X_rgb.png`, any other `X.png` becomes `X_rgb.png` too.

    Args:
        files: at least one.
        out: a folder, or a file name with an image extension for a single file.

    Returns:
        (source, target) for each file, in order.

    Raises:
        InputError: two sources for one target, a target that is a source, a file where a folder
            is needed or the other way round.
    """
    if out.suffix.lower() in EXTENSIONS and not out.is_dir():
        if len(files) > 1:
            raise InputError(f"{out}: one output file for {len(files)} inputs; give a folder")
        jobs = [(files[0], out)]
    elif out.exists() and not out.is_dir():
        raise InputError(
            f"{out}: is a file without an image extension; give a folder or NAME{EXTENSIONS[0]}"
        )
    else:
        jobs = [(file, out / _coloured_name(file)) for file in files]
    sources = {file.resolve(): file for file in files}
    targets: dict[Path, Path] = {}
    for source, target in jobs:
        if target.resolve() in sources:
            raise InputError(
                f"{target}: is an input ({sources[target.resolve()]}); choose another output"
            )
        if target.resolve() in targets:
            raise InputError(
                f"{targets[target.resolve()]} and {source} would both become {target}; "
                "colour them into separate folders"
            )
        targets[target.resolve()] = source
    return jobs


def _expand(name: str) -> list[Path]:
    """Returns what a glob matches, without folders; any other name as it is."""
    path = Path(name)
    if path.exists() or not glob.has_magic(name):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(name))]
    return [match for match in matches if not match.is_dir()] or [path]


def _folder(folder: Path) -> Selection:
    try:
        entries = sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); check its rights"
        ) from None
    visible = [path for path in entries if not path.name.startswith(".")]
    images = [path for path in visible if path.suffix.lower() in EXTENSIONS]
    if not images:
        return Selection((folder,))
    chosen = images
    if {"nir", "rgb"} <= {_band(path) for path in images}:
        chosen = [path for path in images if _band(path) == "nir"]
    return Selection(tuple(chosen), len(images) - len(chosen), len(visible) - len(images))


def _band(path: Path) -> str:
    """Returns what follows the last underscore of the name, in lower case."""
    return path.stem.lower().rpartition("_")[2] if "_" in path.stem else ""


def _coloured_name(path: Path) -> str:
    stem = path.stem[: -len("_nir")] if _band(path) == "nir" else path.stem
    return f"{stem}_rgb{path.suffix}"
