"""The segments of a JPEG: found in what is read, added to what is written.

Reference: JFIF 1.02; Exif 3.0 (CIPA DC-008), Sec. 4.5; XMP Specification Part 3 (2020), Sec. 1.1.3.
"""

import io
import struct
from collections.abc import Iterator

from haqagen_jax.images.density import (
    CENTIMETER,
    INCH,
    NO_UNIT,
    Density,
    take_density,
    upright_density,
)
from haqagen_jax.images.exif import MARK, packed, read_block
from haqagen_jax.images.metadata import Metadata, is_xmp

_JFIF = b"JFIF\0"
_XMP, _XMP_MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_MOST = 65533  # bytes of a segment
_LONGEST = 1 << 24  # bytes of extended XMP
_UNITS = {0: NO_UNIT, 1: INCH, 2: CENTIMETER}  # of JFIF
# What belongs to the pixels as they were stored: JFIF, color profile, Adobe's color transform.
_OF_PIXELS = ((0xE0, b"JF"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))
_COMMENT = 0xFE


def segments(file: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Read the segments before the first scan.

    Args:
        file: A JPEG; it is left at the first scan.

    Yields:
        Marker and content.
    """
    file.seek(2)
    while True:
        marker = file.read(1)
        while marker == b"\xff":  # any number of fill bytes may precede a marker
            marker = file.read(1)
        if marker in (b"", b"\xda"):
            return
        length = int.from_bytes(file.read(2), "big")
        yield marker[0], file.read(max(length - 2, 0))


def read_metadata(file: io.BufferedIOBase, size: tuple[int, int], orientation: int) -> Metadata:
    """Read what a JPEG says besides its pixels.

    Args:
        file: A JPEG.
        size: (h, w) of the upright image.
        orientation: By which the pixels were turned upright.

    Returns:
        What holds for the colors.
    """
    exif, density, from_exif, xmp, more, left = None, None, None, b"", [], []
    for marker, content in segments(file):
        if marker == 0xE1 and content.startswith(MARK):
            if exif is not None:
                continue
            try:
                exif, lost = read_block(content, size, turned=orientation != 1)
            except Exception:  # what is damaged fails in any way
                left.append("EXIF")
            else:
                exif, from_exif = take_density(exif)
                left += [f"EXIF {name}" for name in lost]
        elif marker == 0xE1 and content.startswith(_XMP):
            if is_xmp(content[len(_XMP) :]):
                xmp = xmp or content[len(_XMP) :]
            else:
                left.append("XMP")
        elif marker == 0xE1 and content.startswith(_XMP_MORE):
            if sum(map(len, more)) < _LONGEST:
                more.append(content)
        elif marker == 0xE0 and content.startswith(_JFIF) and len(content) >= 12:
            unit, x, y = struct.unpack_from(">BHH", content, 7)
            density = Density((x, 1), (y, 1), _UNITS.get(unit, 0))
        elif (0xE0 <= marker <= 0xEF or marker == _COMMENT) and not any(
            marker == kind and content.startswith(start) for kind, start in _OF_PIXELS
        ):
            left.append("comment" if marker == _COMMENT else f"segment APP{marker - 0xE0}")
    density = upright_density(density, from_exif, orientation)
    return Metadata(exif, xmp, tuple(more) if xmp else (), density, left=tuple(left))


def pack_metadata(metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Write metadata as segments.

    Args:
        metadata: Of the colors.

    Returns:
        The segments, and the names of what a JPEG cannot hold.
    """
    left = list(metadata.of_tiff)
    contents = []
    if (exif := metadata.complete_exif) is not None:
        block, lost = packed(exif, _MOST - len(MARK))
        contents.append(MARK + block)
        left += [f"EXIF {name}" for name in lost]
    if len(metadata.xmp) > _MOST - len(_XMP):
        left.append("XMP (too large)")
    elif metadata.xmp:
        contents += [_XMP + metadata.xmp, *metadata.xmp_more]
    if metadata.texts:
        left.append("texts of the PNG")
    data = b"".join(b"\xff\xe1" + struct.pack(">H", len(c) + 2) + c for c in contents)
    return data, tuple(left)


def add_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Add metadata to a JPEG.

    Args:
        data: The bytes of a file without any; JFIF comes first, if it is there.
        metadata: Of the colors.

    Returns:
        The bytes of the file.
    """
    start = 2
    if data[2:4] == b"\xff\xe0":
        start += 2 + int.from_bytes(data[4:6], "big")
        if metadata.density is not None:
            data = data[:13] + _jfif(metadata.density, data[13:18]) + data[18:]
    return data[:start] + pack_metadata(metadata)[0] + data[start:]


def _jfif(density: Density, default: bytes) -> bytes:
    """Return unit and resolution of JFIF, which are whole numbers."""
    if density.unit == NO_UNIT:
        unit, (x, y) = 0, (density.x[0] * density.y[1], density.x[1] * density.y[0])
    elif density.unit == CENTIMETER and density.x[1] == density.y[1] == 1:
        unit, (x, y) = 2, (density.x[0], density.y[0])
    else:
        unit, (x, y) = 1, map(round, density.per(2.54))
    return struct.pack(">BHH", unit, x, y) if 0 < min(x, y) <= max(x, y) <= 65535 else default
