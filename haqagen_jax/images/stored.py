"""What the first bytes of an image file say: its kind, its size as stored, its orientation.

Formats are recognized by content, whatever the extension.
"""

import io
import struct
from typing import NamedTuple

import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images import camera, exif, jpeg, other_formats, pages, png
from haqagen_jax.images.facts import Facts
from haqagen_jax.images.tiff_tags import ORIENTATION

PNG = png.SIGNATURE
JPEG = b"\xff\xd8\xff"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_START = 64  # bytes by which formats are recognized
_EXIF = b"Exif\0\0"
_MODEL = 272  # of the camera
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that state the size


class Stored(NamedTuple):
    """An image as the pixels are stored.

    Attributes:
        height, width: Pixels, before the orientation is applied.
        orientation: The tag of EXIF and TIFF, 1 to 8; 5 to 8 lie on their side.
        kind: A key of `haqagen_jax.images.other_formats.FORMATS`; `PNG`, `JPEG` or `TIFF` for the
            others.
        page: The image of a TIFF; None for all other files.
        mask: The mask of that image, which is 0 where it holds no data; None if it has none.
        camera: The model of the camera, where an EXIF block says it; "" if none does.
        bits: Of a sample of a JPEG.
        exif, xmp: What one of `FORMATS` says besides its pixels; empty if it says nothing.
    """

    height: int
    width: int
    orientation: int
    kind: str | bytes | tuple[bytes, ...]
    page: tifffile.TiffPage | None = None
    mask: tifffile.TiffPage | None = None
    camera: str = ""
    bits: int = 8
    exif: bytes = b""
    xmp: bytes = b""


def read_stored(file: io.BufferedIOBase, number: int | None = None) -> Stored:
    """Read size and orientation of the stored image.

    Args:
        file: At its start; a JPEG is left at its first scan.
        number: Of a file with several images the one that is meant, from 1; None: the only one.

    Returns:
        The image as it is stored.

    Raises:
        InputError: Not an image, or truncated before its size; several images, or none of that
            number; an image that only an extra can read. The message does not name the file.
        Exception: A garbled header fails in any way.
    """
    start = file.read(_START)
    kind = other_formats.format_of(start)
    if kind is None and start.startswith(TIFF):
        file.seek(0)
        with tifffile.TiffFile(file) as content:  # pyright: ignore
            raw = camera.tiff_raw_name(content)
            if not raw:
                return stored_page(pages.chosen_page(content, number))
        file.seek(0)
        facts = camera.raw_facts(file, raw)
        pages.require_page(number, 1)
        return _of_format(other_formats.RAW, facts)
    if kind is not None:
        file.seek(0)
        stored = _of_format(kind, other_formats.FORMATS[kind].read_facts(file))
    elif start.startswith(PNG):
        stored = _png_header(file)
    elif start.startswith(JPEG):
        stored = _jpeg_header(file)
    else:
        raise InputError(
            f"not a PNG, JPEG or TIFF image (it starts with {start[:4]!r}); convert it to one of "
            "them"
        )
    pages.require_page(number, 1)
    return stored


def stored_page(image: pages.Page) -> Stored:
    """Describe an image of a TIFF.

    Args:
        image: The image.

    Returns:
        The image as it is stored.
    """
    page, mask = image
    size = page.imagelength, page.imagewidth
    return Stored(*size, _orientation(page), TIFF, page, mask)


def _of_format(kind: str, facts: Facts) -> Stored:
    model = _camera(facts.exif.removeprefix(_EXIF))
    return Stored(*facts[:3], kind, camera=model, exif=facts.exif, xmp=facts.xmp)


def _png_header(file: io.BufferedIOBase) -> Stored:
    h, w, block = 0, 0, b""
    for kind, content in png.chunks(file, (b"IHDR", b"eXIf")):
        if kind == b"IHDR" and len(content) >= 8:
            w, h = struct.unpack_from(">II", content)
        elif kind == b"eXIf":
            block = content
    if not h * w:
        raise InputError("truncated (a PNG without its size); copy or export it again")
    return Stored(h, w, exif.read_orientation(block), PNG, camera=_camera(block))


def _jpeg_header(file: io.BufferedIOBase) -> Stored:
    size, bits, block = None, 8, b""
    for marker, segment in jpeg.segments(file):
        if marker in _FRAMES and len(segment) >= 5:  # bits, height, width
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            bits = segment[0]
        if segment.startswith(_EXIF):
            block = segment
    if size is None:
        raise InputError("truncated (a JPEG without its size); copy or export it again")
    model = _camera(block.removeprefix(_EXIF))
    return Stored(*size, exif.read_orientation(block), JPEG, camera=model, bits=bits)


def _camera(block: bytes) -> str:
    """Return the camera's model from an EXIF block, which is a small TIFF."""
    try:
        with tifffile.TiffFile(io.BytesIO(block)) as content:
            return str(content.pages.first.tags.valueof(_MODEL, default=""))
    except Exception:  # broken camera metadata must not stop a good image
        return ""


def _orientation(page: tifffile.TiffPage) -> int:
    """Return the orientation tag; 1 where there is none, or something else than a number."""
    value = page.tags.valueof(ORIENTATION, default=1)
    return value if isinstance(value, int) else 1
