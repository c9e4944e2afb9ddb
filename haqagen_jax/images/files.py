"""Read and write image files: recognized by content, written by extension (PNG, JPEG and TIFF).

Read: what `haqagen_jax.images.decode` decodes. Written: gray or RGB, uint8 (all three), uint16
(PNG, TIFF), float32 (TIFF); a file appears under its name only when it is complete. Every failure
is an `InputError` of one line that names the file. Not handled: images larger than memory, which
`haqagen_jax.images.source` reads; the color profiles of what is read.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Float, Real

from haqagen_jax.errors import InputError
from haqagen_jax.images import icc, jpeg, other_formats, png, tiff, tiff_metadata
from haqagen_jax.images.decode import decode_nir, decode_rgb
from haqagen_jax.images.header import has_end, opened, upright_size
from haqagen_jax.images.levels import from_levels
from haqagen_jax.images.marking import NO_MARK, Marking
from haqagen_jax.images.metadata import EMPTY, Metadata
from haqagen_jax.system.files import replaced

WRITTEN = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
EXTENSIONS = (*WRITTEN, *other_formats.EXTENSIONS)  # of files that are read
JPEG_QUALITY = 95


def read_nir(path: str | Path) -> Real[np.ndarray, "h w"]:
    """Read one NIR image; see `decode_nir`.

    Args:
        path: The file.

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: All of `read_bytes` and of `decode_nir`.
    """
    return decode_nir(read_bytes(path), path)


def read_rgb(path: str | Path) -> Float[np.ndarray, "h w 3"]:
    """Read one color image; see `decode_rgb`.

    Args:
        path: The file.

    Returns:
        float32 (h, w, 3) in [0, 1].

    Raises:
        InputError: All of `read_bytes` and of `decode_rgb`.
    """
    return from_levels(decode_rgb(read_bytes(path), path))


def read_size(path: str | Path, number: int | None = None) -> tuple[int, int]:
    """Read the size of an upright image from its file's header.

    Args:
        path: An image file, whatever its extension.
        number: See `haqagen_jax.images.stored.read_stored`.

    Returns:
        (h, w), pixels.

    Raises:
        InputError: All of `read_bytes`, and of `haqagen_jax.images.header.upright_size`.
    """
    with opened(path) as file:
        return upright_size(file, path, number)


def is_complete(path: Path, size: tuple[int, int]) -> bool:
    """Tell whether a file is an image of a given size, up to its end.

    Args:
        path: The file; it need not exist.
        size: (h, w) that it should have.

    Returns:
        False for what is missing, damaged, truncated or of another size.
    """
    try:
        with opened(path) as file:
            return upright_size(file, path, 1) == size and has_end(file)
    except Exception:  # what is damaged fails in any way
        return False


def check_depth(path: str | Path, dtype: np.dtype) -> None:
    """Refuse a file type that cannot hold a pixel type.

    Args:
        path: A name with an image extension.
        dtype: uint8, uint16 or float32.

    Raises:
        InputError: An unknown extension, or too many bits for it.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise InputError(f"{path}: extension {suffix!r} is none of {', '.join(WRITTEN)}")
    if not can_hold(suffix, dtype):
        raise InputError(f"{path}: {suffix} cannot hold {dtype}; name it .tif")


def can_hold(suffix: str, dtype: np.dtype) -> bool:
    """Tell whether a file type is one that is written, and can hold a pixel type.

    Args:
        suffix: An extension with its dot, in any case.
        dtype: uint8, uint16 or float32.

    Returns:
        Whether it can.
    """
    suffix = suffix.lower()
    return suffix in WRITTEN and dtype.itemsize <= {".jpg": 1, ".jpeg": 1, ".png": 2}.get(suffix, 4)


def write(path: str | Path, image: Real[np.ndarray, "h w"] | Real[np.ndarray, "h w 3"]) -> None:
    """Write an image; atomic: the name appears with the last byte or not at all.

    Args:
        path: The extension chooses the format; JPEG has quality 95 and full color resolution.
        image: Gray or RGB; uint8, uint16 or float32.

    Raises:
        InputError: A type the format cannot hold, or the file cannot be written.
    """
    path = Path(path)
    check_depth(path, image.dtype)
    with replaced(path) as file:
        file.write(_encode(path.suffix.lower(), image))


def write_rows(
    path: Path,
    size: tuple[int, int],
    dtype: np.dtype,
    rows: Iterable[Real[np.ndarray, "rows w c"]],
    marking: Marking = NO_MARK,
    metadata: Metadata = EMPTY,
) -> None:
    """Write an sRGB image that comes by rows; atomic, as `write`.

    Args:
        path: See `write`. TIFF is written as the rows come, other formats after the last one.
        size: (h, w), pixels.
        dtype: uint8, uint16 or float32; one that the format can hold.
        rows: From above; what they raise is raised, and there is no file.
        marking: How pixels without data are marked in the rows, in a way that the format can.
        metadata: Of the colors; what the format cannot hold is left out.

    Raises:
        InputError: The file cannot be written.
    """
    with replaced(path) as file:
        if path.suffix.lower() in (".tif", ".tiff"):
            tags = tiff_metadata.written_tags(metadata)
            tiff.write_rows(file, size, dtype, rows, tags, marking)
            tiff_metadata.add_metadata(file, metadata)
        else:
            image, done = np.empty((*size, marking.channels), dtype), 0
            for band in rows:
                image[done : done + len(band)] = band
                done += len(band)
            container = _container(path)
            file.write(container.add_metadata(_encode(path.suffix.lower(), image), metadata))


def left_out(path: Path, metadata: Metadata) -> tuple[str, ...]:
    """Name the metadata that a file will not have.

    Args:
        path: The file; its extension chooses the format.
        metadata: Of the colors.

    Returns:
        What the NIR image has and the colors do not, and what the format cannot hold.
    """
    tiff_file = path.suffix.lower() in (".tif", ".tiff")
    lost = (tiff_metadata if tiff_file else _container(path)).pack_metadata(metadata)[1]
    return tuple(dict.fromkeys((*metadata.left, *lost)))


def _container(path: Path) -> ModuleType:
    return png if path.suffix.lower() == ".png" else jpeg


def _encode(suffix: str, image: np.ndarray) -> bytes:
    """Encode gray, or sRGB with its profile."""
    color = image.ndim == 3
    if suffix == ".png":
        data = bytes(imagecodecs.png_encode(image))
        return icc.into_png(data) if color else data
    if suffix in (".jpg", ".jpeg"):
        data = bytes(imagecodecs.jpeg8_encode(image, level=JPEG_QUALITY, subsampling="444"))
        return icc.into_jpeg(data) if color else data
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        image,
        photometric="rgb" if color else "minisblack",
        compression="zlib",
        predictor=True,
        iccprofile=icc.profile() if color else None,
    )
    return buffer.getvalue()


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file.

    Args:
        path: The file.

    Returns:
        Its bytes, at least one.

    Raises:
        InputError: Missing, a directory, a pipe or device, unreadable, larger than memory or empty.
    """
    with opened(path) as file:
        return file.read()
