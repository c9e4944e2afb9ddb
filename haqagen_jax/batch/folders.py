"""List the images below folders, without those in the output folder. No file is read here.

Links to folders are followed, each folder is listed once, and names that begin with a dot are left
out.
"""

import fnmatch
import glob
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from haqagen_jax.batch.naming import band, colored_names, is_image
from haqagen_jax.errors import reason


class Listing(NamedTuple):
    """What was found below a folder.

    Attributes:
        files: The files to color, by name.
        beside: Number of images in data-set folders that are not `*_nir`.
        other: Number of files that are not images by their extension.
        written: Number of images in the output folder, which is left out.
        refused: (folder, message) of each that holds no image or cannot be listed.
        named: Whether the user named the only file.
    """

    files: tuple[Path, ...]
    beside: int = 0
    other: int = 0
    written: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    named: bool = False


def list_images(root: Path, out: Path | None) -> Listing:
    """List the images of a folder and of its sub-folders.

    A folder with both `*_nir` and `*_rgb` images is a data set and stands for its `*_nir` ones,
    unless this program wrote the others.

    Args:
        root: An existing folder.
        out: Where the colors go. If that is a folder below `root`, it is left out.

    Returns:
        The images.
    """
    files: list[Path] = []
    beside = other = 0
    folders, refused, written = _walk(root, out)
    for folder, entries in folders:
        images = [path for path in entries if is_image(path)]
        other += len(entries) - len(images)
        in_place = out is not None and _is_same(folder, out / folder.relative_to(root))
        if not in_place and _is_data_set(images):
            chosen = [path for path in images if band(path) == "nir"]
            beside += len(images) - len(chosen)
            images = chosen
        files += images
    if not files and not refused:
        line = f"{root}: holds no PNG, JPEG or TIFF image; give a folder that does, or files"
        refused = [(str(root), line)]
    return Listing(tuple(sorted(files)), beside, other, written, tuple(refused))


def list_matches(pattern: str, out: Path | None) -> tuple[Path, Listing]:
    """List the files that a glob matches, without folders.

    Args:
        pattern: With wildcards; `**` stands for folders of any depth.
        out: Where the colors go. If that is a folder below the pattern's fixed part, it is left
            out.

    Returns:
        The fixed part, which is the folder before the first wildcard, and the files. Without a
        match the pattern itself is the only file.
    """
    parts = Path(pattern).parts
    fixed = _fixed(parts)
    root, rest = Path(*parts[:fixed]), parts[fixed:]
    if "**" in rest and os.path.isdir(root):
        folders, refused, written = _walk(root, out)
        below = [path for _, entries in folders for path in entries]
        matches = [path for path in below if _fits(path.relative_to(root).parts, rest)]
    else:
        refused = []
        found = glob.glob(os.path.join(glob.escape(str(root)), *rest))
        below = [Path(match) for match in sorted(found) if not os.path.isdir(match)]
        matches = [path for path in below if not _is_output(path.parent, root, out)]
        written = len(below) - len(matches)
    if not matches and not written and not refused:
        return Path(pattern).parent, Listing((Path(pattern),))
    return root, Listing(tuple(sorted(matches)), written=written, refused=tuple(refused))


def _is_data_set(images: Sequence[Path]) -> bool:
    """Tell whether the `*_rgb` images of a folder are the truth of the `*_nir` ones.

    Where one lies beside an image that is no `*_nir`, this program has written it.
    """
    names = {path.name for path in images}
    others = (path for path in images if band(path) != "nir")
    in_place = any(not names.isdisjoint(colored_names(path)) for path in others)
    return not in_place and {"nir", "rgb"} <= {band(path) for path in images}


class _Tree(NamedTuple):
    folders: list[tuple[Path, list[Path]]]  # each with its files
    refused: list[tuple[str, str]]  # (folder, message) of each that cannot be listed
    written: int  # images in the output folder, which is left out


def _walk(root: Path, out: Path | None) -> _Tree:
    listed: list[tuple[Path, list[Path]]] = []
    refused: list[tuple[str, str]] = []
    written, seen = 0, set[str]()
    waiting, links = [root], deque[Path]()
    while waiting or links:  # links last, so that a folder goes by its own name where it has one
        folder = waiting.pop() if waiting else links.popleft()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        if _is_output(folder, root, out):
            written += _count_images(folder)
            continue
        try:
            entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            line = f"{folder}: cannot be listed ({reason(error)}); check its rights"
            refused.append((str(folder), line))
            continue
        files: list[Path] = []
        for path in entries:
            if not os.path.isdir(path):
                files.append(path)
            elif not path.is_symlink():
                waiting.append(path)
            elif not _is_within(real, path):  # else a loop: what it leads to is listed already
                links.append(path)
        listed.append((folder, files))
    return _Tree(listed, refused, written)


def _is_output(folder: Path, root: Path, out: Path | None) -> bool:
    """Tell whether a folder below a root lies in the output folder, and that below the root."""
    return out is not None and _is_within(folder, out) and not _is_within(root, out)


def _is_same(folder: Path, other: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(other)


def _is_within(path: str | Path, folder: str | Path) -> bool:
    """Tell whether a path is a folder or lies below it, once all links are followed."""
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return inner == outer or inner.startswith(outer.rstrip(os.sep) + os.sep)


def _count_images(folder: Path) -> int:
    return sum(is_image(Path(name)) for _, _, names in os.walk(folder) for name in names)


def _fixed(parts: Sequence[str]) -> int:
    """Count the parts of a glob before its first wildcard; brackets may belong to a name."""
    for number, part in enumerate(parts[:-1]):
        if glob.has_magic(part) and not os.path.isdir(Path(*parts[: number + 1])):
            return number
    return len(parts) - 1


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    first = bool(parts) and fnmatch.fnmatch(parts[0], pattern[0])
    return first and _fits(parts[1:], pattern[1:])
