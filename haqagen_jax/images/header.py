"""What an image file says of itself before its pixels: read in one opening, kept as one value.

Formats are recognized by content, whatever the extension. The pixels are read by
`haqagen_jax.images.decode`, or from a TIFF by parts by `haqagen_jax.images.tiff_source`. Every
failure is an `InputError` of one line that names the file. Not handled: color profiles.
"""

import contextlib
import dataclasses
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import tifffile

from haqagen_jax.errors import InputError, reason
from haqagen_jax.images import jpeg, png, tiff_metadata, tiff_source
from haqagen_jax.images.bands import tiff_names
from haqagen_jax.images.metadata import EMPTY, Metadata, of_blocks
from haqagen_jax.images.nodata import Tag, mark_of
from haqagen_jax.images.pages import Page, pages_of
from haqagen_jax.images.stored import JPEG, PNG, TIFF, Stored, read_stored
from haqagen_jax.images.tiff_tags import NOTHING, Carried, carried_tags


@dataclasses.dataclass(frozen=True)
class Header:
    """The facts of an image file, immutable.

    Attributes:
        path: The file.
        height, width: Size of the upright image, pixels.
        state: Length, time of the last change (ns) and inode of the file that was read.
        page: The image of a TIFF that `haqagen_jax.images.tiff_source.TiffSource` can read by
            parts; None for all other files.
        mask: The mask of that image; None if it has none.
        names: What the file calls the bands of `page`; see `haqagen_jax.images.bands`.
        tag: How a TIFF marks pixels without data by a value.
        metadata: What a file of the colors says besides its pixels.
    """

    path: Path
    height: int
    width: int
    state: tuple[int, ...]
    page: tifffile.TiffPage | None = None
    mask: tifffile.TiffPage | None = None
    names: tuple[str, ...] = ()
    tag: Tag | None = None
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
            raise InputError("has changed while it was read; color it again")


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
def open_image(path: Path, number: int | None = None) -> Iterator[tuple[Header, io.BufferedReader]]:
    """Open an image file as `opened` does, and read all its facts.

    Args:
        path: The file.
        number: See `haqagen_jax.images.stored.read_stored`.

    Yields:
        The header, and the file at its start. Tags of a TIFF that are damaged leave `page` empty:
        decoding the pixels says what is wrong.

    Raises:
        InputError: Not an image, a header that cannot be read, and all of `opened`.
    """
    with opened(path) as file:
        stored, _ = _read_named(file, path, number)
        header = header_of(path, file, stored)
        file.seek(0)
        yield header, file


def header_of(path: Path, file: io.BufferedReader, stored: Stored) -> Header:
    """Gather the facts of an image.

    Args:
        path: The file.
        file: The same, open; it is left anywhere.
        stored: The image.

    Returns:
        The header.
    """
    state, size = _state(os.fstat(file.fileno())), _upright_size(stored)
    page, names, tag = None, (), None
    if stored.page is not None:
        with contextlib.suppress(Exception):
            by_parts = tiff_source.windowed(stored.page, stored.mask)
            names, tag = tiff_names(stored.page), mark_of(stored.page)
            page = stored.page if by_parts else None
    metadata = _metadata(file, stored, size)
    return Header(path, *size, state, page, stored.mask, names, tag, metadata)


@contextlib.contextmanager
def open_pages(path: Path) -> Iterator[tuple[list[Page], io.BufferedReader]]:
    """Open a TIFF as `opened` does, and list its images.

    Args:
        path: The file.

    Yields:
        The images, which can be read until the file is closed; and the file. No images for another
        format.

    Raises:
        InputError: A header that cannot be read, no image, and all of `opened`.
    """
    with opened(path) as file:
        pages, content = [], None
        try:
            stored = _read_named(file, path, 1)[0]
            if stored.kind == TIFF:
                file.seek(0)
                content = tifffile.TiffFile(file)  # pyright: ignore
                pages = pages_of(content)
            yield pages, file
        finally:
            if content is not None:
                content.close()


def upright_size(
    file: io.BufferedIOBase, path: str | Path, number: int | None = None
) -> tuple[int, int]:
    """Read the size of the upright image alone.

    Args:
        file: An image file, at its start.
        path: Its name, for messages.
        number: See `haqagen_jax.images.stored.read_stored`.

    Returns:
        (h, w), pixels.

    Raises:
        InputError: Not an image, or a header that cannot be read.
    """
    return _read_named(file, path, number)[1]


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
    if start.startswith(TIFF):
        with tifffile.TiffFile(file) as content:  # pyright: ignore
            images = pages_of(content)
            parts = [page for image in images for page in image if page is not None]
            pixels = all(tiff_source.last_byte(page) <= size for page in parts)
        return bool(images) and pixels and tiff_metadata.has_directory(file)
    return end[4:8] == b"IEND" if start == PNG else end.endswith(b"\xff\xd9")


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read_named(
    file: io.BufferedIOBase, path: str | Path, number: int | None = None
) -> tuple[Stored, tuple[int, int]]:
    """Return the stored image and its upright size; errors begin with the path."""
    try:
        stored = read_stored(file, number)
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
        if stored.kind in (PNG, JPEG):
            reader = png if stored.kind == PNG else jpeg
            return reader.read_metadata(file, size, stored.orientation)
        return of_blocks(stored.exif, stored.xmp, size, stored.orientation)
    except Exception:  # untrusted data fails in any way
        return Metadata(carried=carried, left=("metadata",))


def _upright_size(stored: Stored) -> tuple[int, int]:
    h, w = stored.height, stored.width
    return (w, h) if 5 <= stored.orientation <= 8 else (h, w)
