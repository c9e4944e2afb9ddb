"""What an image file says of itself before its pixels: read in one opening, kept as one value.

PNG, JPEG and TIFF, recognized by content, whatever the extension. The pixels are read by
`haqagen_jax.images.decode`, or from a TIFF by parts by `haqagen_jax.images.tiff`. Every failure is
an `InputError` of one line that names the file. Not handled: TIFF stacks, color profiles.
"""

import contextlib
import dataclasses
import io
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tifffile

from haqagen_jax.errors import InputError, reason
from haqagen_jax.images import exif, jpeg, png, tiff, tiff_metadata
from haqagen_jax.images.metadata import EMPTY, Metadata
from haqagen_jax.images.tiff_tags import NOTHING, ORIENTATION, Carried, carried_tags

PNG = png.SIGNATURE
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that state the size


@dataclasses.dataclass(frozen=True)
class Header:
    """The facts of an image file, immutable.

    Attributes:
        path: The file.
        height, width: Size of the upright image, pixels.
        state: Length, time of the last change (ns) and inode of the file that was read.
        page: The image of a TIFF that `haqagen_jax.images.tiff.TiffSource` can read by parts; None
            for all other files.
        metadata: What a file of the colors says besides its pixels.
    """

    path: Path
    height: int
    width: int
    state: tuple[int, ...]
    page: tifffile.TiffPage | None = None
    metadata: Metadata = EMPTY

    @property
    def carried(self) -> Carried:
        """The place on the ground and the resolution, which a TIFF of the colors keeps."""
        return self.metadata.carried

    def require_unchanged(self) -> None:
        """Refuse a file that is no longer the one whose header was read.

        Raises:
            InputError: The file was changed, replaced or removed. The message does not name it.
        """
        try:
            unchanged = _state(os.stat(self.path)) == self.state
        except OSError:
            unchanged = False
        if not unchanged:
            raise InputError("has changed while it was read; colour it again")


class Stored(NamedTuple):
    """An image as the pixels are stored.

    Attributes:
        height, width: Pixels, before the orientation is applied.
        orientation: The tag of EXIF and TIFF, 1 to 8; 5 to 8 lie on their side.
        page: The image of a TIFF; None for PNG and JPEG.
    """

    height: int
    width: int
    orientation: int
    page: tifffile.TiffPage | None = None


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[io.BufferedReader]:
    """Open an image file, and word what fails while it is read inside.

    Args:
        path: The file.

    Yields:
        The file at its start; it holds at least one byte.

    Raises:
        InputError: Missing, a directory, a pipe or device, unreadable, larger than memory or empty.
    """
    path = Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: is a directory; give an image file")
        if not stat.S_ISREG(status.st_mode):  # reading it might never end
            raise InputError(f"{path}: is a pipe or a device; give an image file")
        if not status.st_size:
            raise InputError(f"{path}: is empty (0 bytes); copy or export it again")
        with path.open("rb") as file:
            yield file
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except ValueError as error:  # a name that no file can have
        raise InputError(f"{path}: no such file ({reason(error)}); check the name") from None
    except MemoryError:
        raise InputError(f"{path}: needs more memory than there is; cut it up") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); check its rights") from None


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[tuple[Header, io.BufferedReader]]:
    """Open an image file as `opened` does, and read all its facts.

    Args:
        path: The file.

    Yields:
        The header, and the file at its start. Tags of a TIFF that are damaged leave `page` empty:
        decoding the pixels says what is wrong.

    Raises:
        InputError: Not an image, a header that cannot be read, and all of `opened`.
    """
    with opened(path) as file:
        state = _state(os.fstat(file.fileno()))
        stored, size = _read_named(file, path)
        page = None
        if stored.page is not None:
            with contextlib.suppress(Exception):
                page = stored.page if tiff.windowed(stored.page) else None
        metadata = _metadata(file, stored, size)
        file.seek(0)
        yield Header(path, *size, state, page, metadata), file


def upright_size(file: io.BufferedIOBase, path: str | Path) -> tuple[int, int]:
    """Read the size of the upright image alone.

    Args:
        file: A PNG, JPEG or TIFF file, at its start.
        path: Its name, for messages.

    Returns:
        (h, w), pixels.

    Raises:
        InputError: Not an image, or a header that cannot be read.
    """
    return _read_named(file, path)[1]


def read_stored(file: io.BufferedIOBase) -> Stored:
    """Read size and orientation of the stored image.

    Args:
        file: At its start; a JPEG is left at its first scan.

    Returns:
        The image as it is stored.

    Raises:
        InputError: Not an image, or truncated before its size. The message does not name the file.
        Exception: A garbled header fails in any way.
    """
    start = file.read(24)
    if start.startswith(PNG):
        return _png_header(file)
    if start.startswith(_JPEG):
        return _jpeg_header(file)
    if start.startswith(_TIFF):
        file.seek(0)
        with tifffile.TiffFile(file) as content:  # pyright: ignore
            page = _only_page(content)
        return Stored(page.imagelength, page.imagewidth, _orientation(page), page)
    raise InputError(
        f"not a PNG, JPEG or TIFF image (it starts with {start[:4]!r}); convert it to one of them"
    )


def has_end(file: io.BufferedIOBase) -> bool:
    """Tell whether a file goes on to its image's end; what lies between is not looked at.

    Args:
        file: One of which `read_stored` can read the header.

    Returns:
        Whether the last byte of the image is there.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 12))
    end = file.read()
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if start.startswith(_TIFF):
        with tifffile.TiffFile(file) as content:  # pyright: ignore
            pixels = tiff.last_byte(_only_page(content)) <= size
        return pixels and tiff_metadata.has_directory(file)
    return end[4:8] == b"IEND" if start == PNG else end.endswith(b"\xff\xd9")


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read_named(file: io.BufferedIOBase, path: str | Path) -> tuple[Stored, tuple[int, int]]:
    """Return the stored image and its upright size; errors begin with the path."""
    try:
        stored = read_stored(file)
        return stored, _upright_size(stored)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # a garbled header fails in any way
        raise InputError(
            f"{path}: has a damaged header ({reason(error)}); copy or export it again"
        ) from None


def _metadata(file: io.BufferedReader, stored: Stored, size: tuple[int, int]) -> Metadata:
    """Read the metadata; what is damaged beyond reading costs the rest of it, not the image."""
    carried = NOTHING
    try:
        if stored.page is not None:
            carried = carried_tags(stored.page)
            return tiff_metadata.read_metadata(file, stored.page, carried, size, stored.orientation)
        file.seek(0)
        reader = png if file.read(len(PNG)) == PNG else jpeg
        return reader.read_metadata(file, size, stored.orientation)
    except Exception:  # untrusted data fails in any way
        return Metadata(carried=carried, left=("metadata",))


def _upright_size(stored: Stored) -> tuple[int, int]:
    h, w = stored.height, stored.width
    return (w, h) if 5 <= stored.orientation <= 8 else (h, w)


def _png_header(file: io.BufferedIOBase) -> Stored:
    h, w, turned = 0, 0, 1
    for kind, content in png.chunks(file, (b"IHDR", b"eXIf")):
        if kind == b"IHDR" and len(content) >= 8:
            w, h = struct.unpack_from(">II", content)
        elif kind == b"eXIf":
            turned = exif.read_orientation(content)
    if not h * w:
        raise InputError("truncated (a PNG without its size); copy or export it again")
    return Stored(h, w, turned)


def _jpeg_header(file: io.BufferedIOBase) -> Stored:
    size, turned = None, 1
    for marker, segment in jpeg.segments(file):
        if marker in _FRAMES and len(segment) >= 5:  # bits, height, width
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        if segment.startswith(b"Exif\0\0"):
            turned = exif.read_orientation(segment)
    if size is None:
        raise InputError("truncated (a JPEG without its size); copy or export it again")
    return Stored(*size, turned)


def _only_page(content: tifffile.TiffFile) -> tifffile.TiffPage:
    pages = [page for page in content.pages if isinstance(page, tifffile.TiffPage)]
    images = [page for page in pages if not page.is_reduced]  # thumbnails do not count
    if len(images) != 1:
        raise InputError(f"holds {len(images)} images; save the one to colour as its own file")
    return images[0]


def _orientation(page: tifffile.TiffPage) -> int:
    """Return the orientation tag; 1 where there is none, or something else than a number."""
    value = page.tags.valueof(ORIENTATION, default=1)
    return value if isinstance(value, int) else 1
