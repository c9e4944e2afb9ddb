"""Pairs on disk: `NAME_nir.EXT` and `NAME_rgb.EXT` in one folder, and their splits.

EXT is png, jpg, jpeg, tif or tiff in any case, and the two may differ. Only headers are read here.
Not handled: pairs in sub-folders other than `train`, `val` and `test`, other suffixes.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tifffile
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.imageio import EXTENSIONS

SPLITS = ("train", "val", "test")
_BANDS = ("nir", "rgb")
_ORIENTATION = 274  # the tag of TIFF and EXIF; 5 to 8 lie on their side
_SHOWN = 3  # names in an error message
_Files = dict[str, dict[str, list[Path]]]  # name -> band -> files


class Pair(NamedTuple):
    """One scene seen twice: the two files have the same size in pixels."""

    name: str
    nir: Path
    rgb: Path


def find_pairs(directory: str | Path) -> list[Pair]:
    """Find the pairs that lie directly in a folder.

    Args:
        directory: the folder; other files in it are ignored.

    Returns:
        The pairs, sorted by name.

    Raises:
        InputError: no such folder, no pairs, a missing or a second partner, an unreadable header,
            or two sizes in one pair.
    """
    directory = Path(directory)
    files = _by_name(directory)
    if not files:
        raise InputError(
            f"{directory}: holds no pairs; name them NAME_nir.png and NAME_rgb.png "
            f"(or {', '.join(EXTENSIONS[1:])})"
        )
    _require_single(directory, files)
    _require_partners(directory, files)
    pairs = [Pair(name, bands["nir"][0], bands["rgb"][0]) for name, bands in sorted(files.items())]
    for pair in pairs:
        _check_sizes(pair)
    return pairs


def split_pairs(directories: Sequence[str | Path], split: str) -> list[Pair]:
    """Collect one split of one or several data directories.

    A directory with a sub-folder named `train`, `val` or `test` is split by those; the pairs of
    any other directory are split by `split_of` their names.

    Args:
        directories: at least one; the result is their union, in this order.
        split: train, val or test.

    Returns:
        The pairs of the split, at least one.

    Raises:
        InputError: no such directory or split, or nothing in it; and all of `find_pairs`.
    """
    if split not in SPLITS:
        raise InputError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")
    return [pair for directory in directories for pair in _split_one(Path(directory), split)]


def split_of(scene: str) -> str:
    """Assign a scene to a split: 80 % train, 10 % val, 10 % test, the same on every machine.

    Args:
        scene: the scene's name; all views of a scene must share it.

    Returns:
        train, val or test.

    Reference: 80/10/10 is Sec. 4, "Datasets"; the hash (SHA-256 of the name) is ours.
    """
    digest = hashlib.sha256(scene.encode()).digest()
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return "train" if tenth < 8 else "val" if tenth < 9 else "test"


def _by_name(directory: Path) -> _Files:
    """Returns every file that is named as half of a pair."""
    _require_directory(directory)
    files: _Files = defaultdict(lambda: defaultdict(list))
    for path in directory.iterdir():
        name, _, band = path.stem.rpartition("_")
        if name and band in _BANDS and path.suffix.lower() in EXTENSIONS:
            files[name][band].append(path)
    return files


def _require_directory(directory: Path) -> None:
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        raise InputError(f"{directory}: {what}; give a folder of pairs")


def _require_single(directory: Path, files: _Files) -> None:
    for name, bands in files.items():
        for band, paths in bands.items():
            if len(paths) > 1:
                both = " and ".join(path.name for path in sorted(paths))
                raise InputError(
                    f"{directory}: {name} has {len(paths)} {band} images, {both}; keep one"
                )


def _require_partners(directory: Path, files: _Files) -> None:
    alone = sorted(next(iter(bands.values()))[0].name for bands in files.values() if len(bands) < 2)
    if alone:
        shown = ", ".join(alone[:_SHOWN]) + (", ..." if len(alone) > _SHOWN else "")
        raise InputError(
            f"{directory}: {len(alone)} of {len(files)} names have no partner: {shown}; "
            "add the missing _nir or _rgb files or move these away"
        )


def _check_sizes(pair: Pair) -> None:
    (nir_h, nir_w), (rgb_h, rgb_w) = _size(pair.nir), _size(pair.rgb)
    if (nir_h, nir_w) != (rgb_h, rgb_w):
        raise InputError(
            f"{pair.nir} is {nir_w}x{nir_h} but {pair.rgb.name} is {rgb_w}x{rgb_h}; "
            "a pair must have one size, pixel on pixel"
        )


def _size(path: Path) -> tuple[int, int]:
    """Returns (h, w) of the upright image, from the file's header."""
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            with tifffile.TiffFile(path) as file:
                page = file.pages.first
                h, w = page.imagelength, page.imagewidth
                orientation = page.tags.valueof(_ORIENTATION, default=1)
        else:
            with Image.open(path) as image:
                h, w = image.height, image.width
                # A PNG's may come after the pixels, and `imageio` does not turn PNG.
                exif = image.getexif() if image.format == "JPEG" else {}
                orientation = exif.get(_ORIENTATION, 1)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace it") from error
    return (w, h) if orientation >= 5 else (h, w)


def _split_one(directory: Path, split: str) -> list[Pair]:
    _require_directory(directory)
    folders = [name for name in SPLITS if (directory / name).is_dir()]
    if split in folders:
        return find_pairs(directory / split)
    if folders:
        raise InputError(
            f"{directory}: has {', '.join(folders)} but no {split} folder; add {directory / split}"
        )
    pairs = find_pairs(directory)
    chosen = [pair for pair in pairs if split_of(pair.name) == split]
    if not chosen:
        raise InputError(
            f"{directory}: none of its {len(pairs)} pairs falls into {split} (80/10/10 by name); "
            f"sort them into {', '.join(str(directory / name) for name in SPLITS)}"
        )
    return chosen
