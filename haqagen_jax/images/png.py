"""The chunks of a PNG: found in what is read, added to what is written.

Reference: Portable Network Graphics, Third Edition (W3C, 2025), Sec. 11.3; XMP Specification Part 3
(2020), Sec. 1.1.5.
"""

import io
import struct
import zlib
from collections.abc import Container, Iterator

from haqagen_jax.images.density import CENTIMETER, NO_UNIT, Density, take_density, upright_density
from haqagen_jax.images.exif import packed, read_block
from haqagen_jax.images.metadata import Metadata, is_xmp

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = len(SIGNATURE) + 25  # with the first chunk, which describes the image
_XMP = b"XML:com.adobe.xmp\0"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_WANTED = {b"eXIf", b"pHYs", *_TEXTS}
_LARGEST = 1 << 24  # bytes of a text
_MOST = (1 << 31) - 1  # of a number, and bytes of a chunk
# Texts that say what is true of the NIR image alone, or what is written by itself.
_OWN = (b"Software\0", b"Raw profile type ", b"Thumb::")


def chunks(file: io.BufferedIOBase, wanted: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Read some chunks.

    Args:
        file: A PNG.
        wanted: The kinds to read.

    Yields:
        Kind and content.
    """
    file.seek(len(SIGNATURE))
    while len(start := file.read(8)) == 8:
        length, kind = int.from_bytes(start[:4], "big"), start[4:]
        after = file.tell() + length + 4  # the checksum
        if kind in wanted:
            yield kind, file.read(length)
        file.seek(after)


def read_metadata(file: io.BufferedIOBase, size: tuple[int, int], orientation: int) -> Metadata:
    """Read what a PNG says besides its pixels.

    Args:
        file: A PNG.
        size: (h, w) of the upright image.
        orientation: By which the pixels were turned upright.

    Returns:
        What holds for the colors.
    """
    exif, density, from_exif, xmp = None, None, None, b""
    texts: list[bytes] = []
    left: list[str] = []
    for kind, content in chunks(file, _WANTED):
        if kind == b"eXIf":
            try:
                exif, lost = read_block(content, size, turned=orientation != 1)
            except Exception:  # what is damaged fails in any way
                left.append("EXIF")
            else:
                exif, from_exif = take_density(exif)
                left += [f"EXIF {name}" for name in lost]
        elif kind == b"pHYs" and len(content) == 9:
            x, y, unit = struct.unpack(">IIB", content)
            per = 100 if unit == 1 else 1  # centimeters of a meter
            density = Density((x, per), (y, per), {0: NO_UNIT, 1: CENTIMETER}.get(unit, 0))
        elif kind == b"iTXt" and content.startswith(_XMP):
            packet = _text(content[len(_XMP) :])
            xmp = xmp or packet
            left += [] if packet else ["XMP"]
        elif kind in _TEXTS and content.startswith(_OWN):
            left += [] if content.startswith(b"Software\0") else [_keyword(content)]
        elif kind in _TEXTS and sum(map(len, texts)) + len(content) <= _LARGEST:
            texts.append(kind + content)
        else:
            left.append(kind.decode("latin-1"))
    density = upright_density(density, from_exif, orientation)
    return Metadata(exif, xmp, density=density, texts=tuple(texts), left=tuple(left))


def pack_metadata(metadata: Metadata) -> tuple[bytes, tuple[str, ...]]:
    """Write metadata as chunks.

    Args:
        metadata: Of the colors.

    Returns:
        The chunks, and the names of what a PNG cannot hold.
    """
    left = [*metadata.of_tiff, *(["extended XMP"] if metadata.xmp_more else [])]
    found = []
    if metadata.density is not None:
        found += [b"pHYs" + content for content in _physical(metadata.density)]
    if (exif := metadata.complete_exif) is not None:
        found.append(b"eXIf" + packed(exif, _MOST)[0])
    if metadata.software:
        found.append(b"tEXtSoftware\0" + metadata.software.encode("latin-1", "replace"))
    if metadata.xmp:
        found.append(b"iTXt" + _XMP + bytes(4) + metadata.xmp)  # not compressed, no language
    found += metadata.texts
    return b"".join(map(_chunk, found)), tuple(left)


def add_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Add metadata to a PNG.

    Args:
        data: The bytes of a file without any.
        metadata: Of the colors.

    Returns:
        The bytes of the file.
    """
    return data[:_HEADER] + pack_metadata(metadata)[0] + data[_HEADER:]


def _chunk(content: bytes) -> bytes:
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def _keyword(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("latin-1")


def _text(content: bytes) -> bytes:
    """Return the packet of an international text after its keyword; empty if it is damaged."""
    compressed = content[:1] == b"\1"
    _, _, text = content[2:].partition(b"\0")  # language
    _, _, text = text.partition(b"\0")  # keyword in that language
    try:
        text = zlib.decompressobj().decompress(text, _LARGEST) if compressed else text
    except zlib.error:
        return b""
    return text if is_xmp(text) else b""


def _physical(density: Density) -> list[bytes]:
    """Return the resolution per meter in whole numbers; none if there are no such."""
    if density.unit == NO_UNIT:
        x, y = density.x[0] * density.y[1], density.x[1] * density.y[0]
    else:
        x, y = map(round, density.per(100.0))
    if not 0 < min(x, y) <= max(x, y) <= _MOST:
        return []
    return [struct.pack(">IIB", x, y, density.unit != NO_UNIT)]
