"""What the first bytes of an image file say: its kind, its size as stored, its orientation.

PNG, JPEG and TIFF, recognized by content, whatever the extension.
"""

import io
import struct
from typing import NamedTuple

import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images import exif, jpeg, png
from haqagen_jax.images.tiff_tags import ORIENTATION

PNG = png.SIGNATURE
_JPEG = b"\xff\xd8\xff"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_EXIF = b"Exif\0\0"
_MODEL = 272  # of the camera
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that state the size


class Stored(NamedTuple):
    """An image as the pixels are stored.

    Attributes:
        height, width: Pixels, before the orientation is applied.
        orientation: The tag of EXIF and TIFF, 1 to 8; 5 to 8 lie on their side.
        page: The image of a TIFF; None for PNG and JPEG.
        mask: The mask of that image, which is 0 where it holds no data; None if it has none.
        camera: The model of the camera, where a PNG or JPEG says it; "" if it does not.
    """

    height: int
    width: int
    orientation: int
    page: tifffile.TiffPage | None = None
    mask: tifffile.TiffPage | None = None
    camera: str = ""


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
    if start.startswith(TIFF):
        file.seek(0)
        with tifffile.TiffFile(file) as content:  # pyright: ignore
            page, mask = only_image(content)
        return Stored(page.imagelength, page.imagewidth, _orientation(page), page, mask)
    raise InputError(
        f"not a PNG, JPEG or TIFF image (it starts with {start[:4]!r}); convert it to one of them"
    )


def _png_header(file: io.BufferedIOBase) -> Stored:
    h, w, block = 0, 0, b""
    for kind, content in png.chunks(file, (b"IHDR", b"eXIf")):
        if kind == b"IHDR" and len(content) >= 8:
            w, h = struct.unpack_from(">II", content)
        elif kind == b"eXIf":
            block = content
    if not h * w:
        raise InputError("truncated (a PNG without its size); copy or export it again")
    return Stored(h, w, exif.read_orientation(block), camera=_camera(block))


def _jpeg_header(file: io.BufferedIOBase) -> Stored:
    size, block = None, b""
    for marker, segment in jpeg.segments(file):
        if marker in _FRAMES and len(segment) >= 5:  # bits, height, width
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        if segment.startswith(_EXIF):
            block = segment
    if size is None:
        raise InputError("truncated (a JPEG without its size); copy or export it again")
    return Stored(*size, exif.read_orientation(block), camera=_camera(block.removeprefix(_EXIF)))


def _camera(block: bytes) -> str:
    """Return the camera's model from an EXIF block, which is a small TIFF."""
    try:
        with tifffile.TiffFile(io.BytesIO(block)) as content:
            return str(content.pages.first.tags.valueof(_MODEL, default=""))
    except Exception:  # broken camera metadata must not stop a good image
        return ""


def only_image(
    content: tifffile.TiffFile,
) -> tuple[tifffile.TiffPage, tifffile.TiffPage | None]:
    """Find the only image of a TIFF, and its mask; overviews and thumbnails do not count.

    Args:
        content: The open file.

    Returns:
        The image, and the mask of the same size or None.

    Raises:
        InputError: No image, or several. The message does not name the file.
    """
    pages = [page for page in content.pages if isinstance(page, tifffile.TiffPage)]
    pages = [page for page in pages if not page.is_reduced]
    images = [page for page in pages if not page.is_mask]
    count = len(images)
    if count == 1 and content.is_imagej:  # a stack of theirs may have one directory for all
        count = (content.imagej_metadata or {}).get("images", 1)
    if count != 1:
        raise InputError(f"holds {count} images; save the one to color as its own file")
    size = images[0].imagelength, images[0].imagewidth
    masks = [page for page in pages if page.is_mask and (page.imagelength, page.imagewidth) == size]
    return images[0], masks[0] if masks else None


def _orientation(page: tifffile.TiffPage) -> int:
    """Return the orientation tag; 1 where there is none, or something else than a number."""
    value = page.tags.valueof(ORIENTATION, default=1)
    return value if isinstance(value, int) else 1
