"""Select the input files, and name the output of each. No file is read here."""

import dataclasses
import glob
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax.batch.folders import Listing, list_images, list_matches
from haqagen_jax.batch.naming import band, colored_name, colored_names, is_image
from haqagen_jax.errors import InputError
from haqagen_jax.images.bands import Choice
from haqagen_jax.images.files import WRITTEN

_ANY = Choice()
FORMATS = ("png", "jpg", "tif")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The files to color, and the numbers of those that were skipped.

    Attributes:
        files: In the order given; those of a folder or a glob by name; each file once.
        roots: Of each file, the folder below which its path is mirrored.
        beside: Number of images in data-set folders that are not `*_nir`.
        other: Number of files in folders that are not images by their extension.
        written: Number of images that an earlier run wrote.
        refused: (folder, message) of each folder that holds no image or cannot be listed.
    """

    files: tuple[Path, ...]
    roots: tuple[Path, ...]
    beside: int = 0
    other: int = 0
    written: int = 0
    refused: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules by which inputs are read and outputs overwritten.

    Attributes:
        overwrite: Replace outputs that exist.
        resume: Skip outputs that are complete, and replace those that are not.
        max_pixels: The largest image to color; see `haqagen_jax.images.source.open_nir`.
        share: (i, n): every n-th file from the i-th, i from 0; n calls together color all.
        strict: Refuse an image of one value, instead of a constant gray.
        choice: The image and the band that are wanted of files with several.
        stretch_from: The file whose stretch all images get; None: each has its own.
        shared_stretch: All images get one stretch, that of all their pixels.
        format: "png", "jpg" or "tif", which all outputs become; None: see `colored_name`, and
            `haqagen_jax.batch.output`.

    Raises:
        InputError: A value out of range, both `overwrite` and `resume`, or two stretches.
    """

    overwrite: bool = False
    resume: bool = False
    max_pixels: int | None = None
    share: tuple[int, int] = (0, 1)
    strict: bool = False
    choice: Choice = _ANY
    stretch_from: str | None = None
    shared_stretch: bool = False
    format: str | None = None

    @property
    def suffix(self) -> str | None:
        """The extension of all outputs; None where each has its own."""
        return None if self.format is None else f".{self.format}"

    def __post_init__(self) -> None:
        if self.format not in (None, *FORMATS):
            raise InputError(f"format = {self.format!r}: must be one of {', '.join(FORMATS)}")
        if self.overwrite and self.resume:
            raise InputError("--overwrite and --resume: give one, they contradict each other")
        if self.stretch_from is not None and self.shared_stretch:
            raise InputError(
                "--stretch-from and --shared-stretch: give one, they contradict each other"
            )
        if self.max_pixels is not None and self.max_pixels < 1:
            raise InputError(f"max-pixels = {self.max_pixels}: must be at least 1")
        if not 0 <= self.share[0] < self.share[1]:
            raise InputError(
                f"share = {self.share[0]}/{self.share[1]}: the first must be at least 0 and less "
                "than the second, as in 0/2 and 1/2"
            )


def select(
    inputs: Sequence[str], out: str | Path | None = None, suffix: str | None = None
) -> Selection:
    """Resolve files, folders and globs to a list of files.

    A folder stands for its images and those of its sub-folders; see `list_images`. What does not
    exist or cannot be reached and a glob without a match are kept as they are, so that reading them
    fails by itself and the others are colored.

    Args:
        inputs: Names as the user typed them.
        out: Where the colors go, if that is known: what lies there is no input.
        suffix: The extension of all outputs; None: see `colored_name`.

    Returns:
        At least one file or refused folder.

    Raises:
        InputError: No input at all.
    """
    if not inputs:
        raise InputError("no input; name image files, folders or globs")
    parts = [_list(name, None if out is None else Path(out)) for name in inputs]
    files: dict[str, tuple[Path, Path]] = {}
    written = _written(parts, suffix)
    for root, listing in parts:
        for file in listing.files:
            if file not in written:
                files.setdefault(os.path.realpath(file), (file, root))
    return Selection(
        tuple(file for file, _ in files.values()),
        tuple(root for _, root in files.values()),
        sum(listing.beside for _, listing in parts),
        sum(listing.other for _, listing in parts),
        sum(listing.written for _, listing in parts) + len(written),
        tuple(pair for _, listing in parts for pair in listing.refused),
    )


def plan_outputs(
    files: Sequence[Path],
    out: Path,
    roots: Sequence[Path] | None = None,
    suffix: str | None = None,
) -> list[tuple[Path, Path]]:
    """Name the output of every file: its path below its root, with its `colored_name`.

    Where files of two roots would have one output, all lie below the last folder of their root's
    path, or as many of its last folders as tell the roots apart.

    Args:
        files: The NIR images.
        out: A folder, or a file name with an image extension for a single file.
        roots: Of each file, a folder that its path begins with. None: the one that it lies in.
        suffix: The extension of all outputs; None: see `colored_name`.

    Returns:
        (source, target) for each file, in order.

    Raises:
        InputError: A file where a folder is needed or the other way round.
    """
    if is_image(out) and not os.path.isdir(out):
        if len(files) > 1:
            raise InputError(f"{out}: one output file for {len(files)} inputs; give a folder")
        if out.suffix.lower() not in WRITTEN:
            raise InputError(f"{out}: {out.suffix} cannot be written; name it .png, .jpg or .tif")
        if suffix is not None and _kind(out.suffix) != suffix:
            raise InputError(f"{out}: --format {suffix[1:]} contradicts its name; leave one out")
        return [(file, out) for file in files]
    if os.path.exists(out) and not os.path.isdir(out):
        raise InputError(
            f"{out}: is a file without an image extension; give a folder or NAME{WRITTEN[0]}"
        )
    roots = [file.parent for file in files] if roots is None else roots
    names = [_mirrored(file, root, suffix) for file, root in zip(files, roots, strict=True)]
    owners: dict[Path, set[str]] = defaultdict(set)
    for name, root in zip(names, roots, strict=True):
        owners[name].add(os.path.abspath(root))
    if any(len(several) > 1 for several in owners.values()):
        folders = _apart({root for several in owners.values() for root in several})
        names = [
            folders[os.path.abspath(root)] / name for name, root in zip(names, roots, strict=True)
        ]
    return [(file, out / name) for file, name in zip(files, names, strict=True)]


def conflicts(jobs: Sequence[tuple[Path, Path]]) -> dict[Path, str]:
    """Find the files whose output would replace an input, or another file's output.

    Args:
        jobs: (source, target) of each file.

    Returns:
        For each source that must not be colored, a line that says why.
    """
    sources = {os.path.realpath(source) for source, _ in jobs}
    owners: dict[str, list[Path]] = defaultdict(list)
    for source, target in jobs:
        owners[os.path.realpath(target)].append(source)
    lines = {}
    for source, target in jobs:
        place = os.path.realpath(target)
        others = [other for other in owners[place] if other != source]
        if place in sources:
            lines[source] = f"{source}: its output {target} is an input; choose another output"
        elif others:
            lines[source] = (
                f"{source}: it and {others[0]} would both become {target}; "
                "color them into separate folders"
            )
    return lines


def _list(name: str, out: Path | None) -> tuple[Path, Listing]:
    """Return the files that a name stands for, and the folder below which they are mirrored."""
    path = Path(name)
    if os.path.isdir(path):
        return path, list_images(path, out)
    if glob.has_magic(name) and not os.path.exists(path):
        return list_matches(name, out)
    return path.parent, Listing((path,), named=True)


def _written(parts: Sequence[tuple[Path, Listing]], suffix: str | None) -> set[Path]:
    """Return the files that this program wrote from others: `X_rgb.png` where there is an `X.png`.

    Their folders may differ, as it is not known where colors were written to. A file that the user
    named must lie beside the other, as where a shell expands `*.png`; so must one whose extension
    the other's colors need not have.
    """
    files = [file for _, listing in parts for file in listing.files]
    names = {colored_name(path, ending) for path in files for ending in {None, suffix}}
    beside = {path.with_name(name) for path in files for name in colored_names(path, suffix)}
    named = {file for _, listing in parts if listing.named for file in listing.files}
    return {
        path
        for path in files
        if band(path) == "rgb" and (path in beside or (path not in named and path.name in names))
    }


def _kind(suffix: str) -> str:
    return {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix.lower(), suffix.lower())


def _mirrored(file: Path, root: Path, suffix: str | None) -> Path:
    """Return the name of a file's colors below the output folder."""
    place = Path(os.path.normpath(file.parent.relative_to(root)))
    return (Path() if ".." in place.parts else place) / colored_name(file, suffix)


def _apart(roots: set[str]) -> dict[str, Path]:
    """Return as many last folders of absolute paths as tell them apart, the same number of each."""
    parts, folders = {root: Path(root).parts[1:] for root in roots}, {}
    for depth in range(1, max(map(len, parts.values())) + 1):
        folders = {root: Path(*parts[root][-depth:]) for root in roots}
        if len(set(folders.values())) == len(roots):
            break
    return folders
