"""Select the input files, and name the output of each. No file is read here."""

import dataclasses
import glob
import os
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.errors import InputError, reason
from haqagen_jax.images.files import EXTENSIONS


@dataclasses.dataclass(frozen=True)
class Selection:
    """The files to color, and the numbers of those that were skipped.

    Attributes:
        files: In the order given; those of a folder or a glob by name; each file once.
        beside: Number of images in data-set folders that are not `*_nir`.
        other: Number of files in folders that are not images by their extension.
        refused: (folder, message) of each folder that holds no image or cannot be listed.
    """

    files: tuple[Path, ...]
    beside: int = 0
    other: int = 0
    refused: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules by which inputs are read and outputs overwritten.

    Attributes:
        overwrite: Replace outputs that exist.
        resume: Skip outputs that are complete, and replace those that are not.
        max_pixels: The largest image to color; see `haqagen_jax.images.source.open_nir`.
        share: (i, n): every n-th file from the i-th, i from 0; n calls together color all.

    Raises:
        InputError: A value out of range, or both `overwrite` and `resume`.
    """

    overwrite: bool = False
    resume: bool = False
    max_pixels: int | None = None
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.overwrite and self.resume:
            raise InputError("--overwrite and --resume: give one, they contradict each other")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise InputError(f"max-pixels = {self.max_pixels}: must be at least 1")
        if not 0 <= self.share[0] < self.share[1]:
            raise InputError(
                f"share = {self.share[0]}/{self.share[1]}: the first must be at least 0 and less "
                "than the second, as in 0/2 and 1/2"
            )


def select(inputs: Sequence[str]) -> Selection:
    """Resolve files, folders and globs to a list of files.

    A folder stands for its images; one that holds both `*_nir` and `*_rgb` images is a data set
    and stands for the `*_nir` ones. What does not exist or cannot be reached and a glob without a
    match are kept as they are, so that reading them fails by itself and the others are colored.

    Args:
        inputs: Names as the user typed them.

    Returns:
        At least one file or refused folder.

    Raises:
        InputError: No input at all.
    """
    if not inputs:
        raise InputError("no input; name image files, folders or globs")
    files: dict[str, Path] = {}
    selections = [
        _folder(path) if os.path.isdir(path) else Selection((path,))
        for name in inputs
        for path in _expand(name)
    ]
    for file in (file for selection in selections for file in selection.files):
        files.setdefault(os.path.realpath(file), file)
    return Selection(
        tuple(files.values()),
        sum(selection.beside for selection in selections),
        sum(selection.other for selection in selections),
        tuple(pair for selection in selections for pair in selection.refused),
    )


def plan_outputs(files: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Name the output of every file.

    `X_nir.png` becomes `X_rgb.png`, any other `X.png` becomes `X_rgb.png` too.

    Args:
        files: The NIR images.
        out: A folder, or a file name with an image extension for a single file.

    Returns:
        (source, target) for each file, in order.

    Raises:
        InputError: Two sources for one target, a target that is a source, a file where a folder
            is needed or the other way round.
    """
    if out.suffix.lower() in EXTENSIONS and not os.path.isdir(out):
        if len(files) > 1:
            raise InputError(f"{out}: one output file for {len(files)} inputs; give a folder")
        jobs = [(file, out) for file in files]
    elif os.path.exists(out) and not os.path.isdir(out):
        raise InputError(
            f"{out}: is a file without an image extension; give a folder or NAME{EXTENSIONS[0]}"
        )
    else:
        jobs = [(file, out / _colored_name(file)) for file in files]
    sources = {os.path.realpath(file): file for file in files}
    targets: dict[str, Path] = {}
    for source, target in jobs:
        resolved = os.path.realpath(target)
        if resolved in sources:
            raise InputError(f"{target}: is an input ({sources[resolved]}); choose another output")
        if resolved in targets:
            raise InputError(
                f"{targets[resolved]} and {source} would both become {target}; "
                "color them into separate folders"
            )
        targets[resolved] = source
    return jobs


def _expand(name: str) -> list[Path]:
    """Return the files that a glob matches, without folders; any other name as it is.

    `**` stands for folders of any depth.
    """
    path = Path(name)
    if os.path.exists(path) or not glob.has_magic(name):
        return [path]
    matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
    return [match for match in matches if not os.path.isdir(match)] or [path]


def _folder(folder: Path) -> Selection:
    try:
        entries = sorted(path for path in folder.iterdir() if not os.path.isdir(path))
    except OSError as error:
        line = f"{folder}: cannot be listed ({reason(error)}); check its rights"
        return Selection((), refused=((str(folder), line),))
    visible = [path for path in entries if not path.name.startswith(".")]
    images = [path for path in visible if path.suffix.lower() in EXTENSIONS]
    if not images:
        line = f"{folder}: holds no PNG, JPEG or TIFF image; give a folder that does, or files"
        return Selection((), other=len(visible), refused=((str(folder), line),))
    chosen = images
    if {"nir", "rgb"} <= {_band(path) for path in images}:
        chosen = [path for path in images if _band(path) == "nir"]
    return Selection(tuple(chosen), len(images) - len(chosen), len(visible) - len(images))


def _band(path: Path) -> str:
    """Return what follows the last underscore of the name, in lower case."""
    return path.stem.lower().rpartition("_")[2] if "_" in path.stem else ""


def _colored_name(path: Path) -> str:
    stem = path.stem[: -len("_nir")] if _band(path) == "nir" else path.stem
    return f"{stem}_rgb{path.suffix}"
