"""PNG, JPEG and TIFF, recognized by content: from their bytes to upright pixels, or to their size.

uint8, uint16 or any TIFF number type, (h, w) or (h, w, c). What is wrong with a file is an
`InputError` without the file's name, or whatever the decoders raise; `decode` words both. Not
handled: TIFF stacks, color profiles.
"""

import io
import logging
import operator
from collections.abc import Iterator

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.errors import InputError

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274  # the tag of TIFF and EXIF; 5 to 8 lie on their side
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that state the size

# Damaged TIFF tags are reported by what fails to decode, not by a library's log on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def decode(data: bytes) -> Real[np.ndarray, "h w *c"]:
    """Decodes the bytes of an image file.

    Args:
        data: of a PNG, JPEG or TIFF file.

    Returns:
        (h, w) or (h, w, c), c counting an alpha channel; the file's own type and range. Palettes
        are replaced by their colors.

    Raises:
        InputError: not an image, one of a kind that is not handled, or truncated.
    """
    if data.startswith(_PNG):
        orientation = header(io.BytesIO(data))[2]
        return _upright(imagecodecs.png_decode(data), orientation)
    if data.startswith(_JPEG):
        return _decode_jpeg(data)
    if data.startswith(_TIFF):
        return _decode_tiff(data)
    raise _not_an_image(data)


def _not_an_image(start: bytes) -> InputError:
    return InputError(
        f"not a PNG, JPEG or TIFF image (it starts with {start[:4]!r}); convert it to one of them"
    )


def header(file: io.BufferedIOBase) -> tuple[int, int, int]:
    """Reads what a file says of its image.

    Args:
        file: at its start.

    Returns:
        The stored height and width, and the orientation of EXIF and TIFF (1 to 8).

    Raises:
        InputError: not an image, or truncated before its size.
    """
    start = file.read(24)
    if start.startswith(_PNG):
        return _png_header(file)
    if start.startswith(_JPEG):
        return _jpeg_header(file)
    if start.startswith(_TIFF):
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:  # pyright: ignore
            page = only_page(tiff)
            return page.imagelength, page.imagewidth, _orientation(page)
    raise _not_an_image(start)


def has_end(file: io.BufferedIOBase) -> bool:
    """Tells whether a file goes on to its image's end; what lies between is not looked at.

    Args:
        file: of which `header` can be read.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 12))
    end = file.read()
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if start.startswith(_TIFF):
        with tifffile.TiffFile(file) as tiff:  # pyright: ignore
            return last_byte(only_page(tiff)) <= size
    return end[4:8] == b"IEND" if start == _PNG else end.endswith(b"\xff\xd9")


def _png_header(file: io.BufferedIOBase) -> tuple[int, int, int]:
    h, w, orientation = 0, 0, 1
    file.seek(len(_PNG))
    while len(start := file.read(8)) == 8:
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        if kind == b"IHDR":
            w, h = (int.from_bytes(file.read(4), "big") for _ in range(2))
            length -= 8
        elif kind == b"eXIf":
            orientation = _exif_orientation(file.read(length))
            length = 0
        file.seek(length + 4, io.SEEK_CUR)  # over the rest and its checksum
    if not h * w:
        raise InputError("truncated (a PNG without its size); copy or export it again")
    return h, w, orientation


def _jpeg_header(file: io.BufferedIOBase) -> tuple[int, int, int]:
    size, orientation = None, 1
    for marker, segment in _segments(file):
        if marker in _FRAMES and len(segment) >= 5:  # bits, height, width
            size = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        if segment.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(segment[6:])
    if size is None:
        raise InputError("truncated (a JPEG without its size); copy or export it again")
    return *size, orientation


def _segments(file: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yields marker and content of a JPEG's segments; leaves the file at the first scan."""
    file.seek(2)
    while True:
        marker = file.read(1)
        while marker == b"\xff":  # as often as it likes
            marker = file.read(1)
        if marker in (b"", b"\xda"):
            return
        length = int.from_bytes(file.read(2), "big")
        yield marker[0], file.read(max(length - 2, 0))


def _decode_jpeg(data: bytes) -> np.ndarray:
    """Decodes a JPEG; a missing end is refused, where libjpeg fills in gray."""
    file = io.BytesIO(data)
    *_, orientation = _jpeg_header(file)
    if data.find(b"\xff\xd9", file.tell()) < 0:
        raise InputError("truncated (a JPEG without its end); copy or export it again")
    image = imagecodecs.jpeg8_decode(data)
    if image.ndim == 3 and image.shape[2] == 4:  # CMYK, not alpha
        raise InputError("is a CMYK image; convert it to grey or RGB")
    return _upright(image, orientation)


def _exif_orientation(exif: bytes) -> int:
    """Returns the orientation tag of an EXIF block, which is a small TIFF; 1 when unreadable."""
    try:
        with tifffile.TiffFile(io.BytesIO(exif)) as file:
            return _orientation(file.pages.first)
    except Exception:  # broken camera metadata must not stop a good image
        return 1


def _decode_tiff(data: bytes) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = only_page(file)
        if last_byte(page) > len(data):  # some decoders make up what is missing
            raise InputError("truncated (a TIFF without its last pixels); copy or export it again")
        image, bits = page.asarray(), page.bitspersample
        if page.planarconfig == 2 and image.ndim == 3:
            image = np.moveaxis(image, 0, -1)
        photometric = tifffile.PHOTOMETRIC(page.photometric)
        jpeg = page.compression == tifffile.COMPRESSION.JPEG
        colors = page.colormap
        orientation = _orientation(page)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and colors is not None:
        # 16 bits by the standard, of which programs fill the upper 8, or both halves alike; some
        # write 8 bits.
        table = (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
        image, photometric = np.moveaxis(table[:, image], 0, -1), tifffile.PHOTOMETRIC.RGB
    elif photometric == tifffile.PHOTOMETRIC.YCBCR and jpeg:  # libjpeg has made RGB of it
        photometric = tifffile.PHOTOMETRIC.RGB
    else:
        image = _full_scale(image, bits)
    if image.ndim > 3 or photometric not in (0, 1, 2) or image.dtype.kind not in "uif":
        raise InputError(
            f"unsupported TIFF ({photometric.name}, {image.dtype}, shape {image.shape}); save it "
            "as grey or RGB"
        )
    if photometric == 0 and image.dtype.kind == "u":  # white is zero
        image = np.iinfo(image.dtype).max - image
    return _upright(image, orientation)


def only_page(file: tifffile.TiffFile) -> tifffile.TiffPage:
    """Returns the image of a TIFF file.

    Args:
        file: open.

    Raises:
        InputError: it holds none, or several beside thumbnails.
    """
    found = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
    pages = [page for page in found if not page.is_reduced]  # no thumbnails
    if len(pages) != 1:
        raise InputError(f"holds {len(pages)} images; save the one to colour as its own file")
    return pages[0]


def last_byte(page: tifffile.TiffPage) -> int:
    """Returns how long a file must be to hold all pixels of an image.

    Args:
        page: of the file.
    """
    return max(map(operator.add, page.dataoffsets, page.databytecounts), default=0)


def _full_scale(image: np.ndarray, bits: int) -> np.ndarray:
    """Spreads 12 bits over 16, and the like."""
    if image.dtype.kind != "u" or bits == 8 * image.dtype.itemsize:
        return image
    factor = np.iinfo(image.dtype).max / (2**bits - 1)
    return np.rint(image * factor).astype(image.dtype)


def _orientation(page: tifffile.TiffPage) -> int:
    """Returns the orientation tag; 1 where there is none, or something else than a number."""
    value = page.tags.valueof(_ORIENTATION, default=1)
    return value if isinstance(value, int) else 1


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Applies the orientation tag of EXIF and TIFF (1 to 8; others count as 1)."""
    if orientation in (2, 3, 7, 8):
        image = image[:, ::-1]
    if orientation in (3, 4, 6, 7):
        image = image[::-1]
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image)
