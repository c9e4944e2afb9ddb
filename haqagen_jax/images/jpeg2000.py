"""JPEG 2000, as a file of boxes (JP2) or the bare codestream (J2K).

Reference: ISO/IEC 15444-1, Annexes A and I.
"""

import io
import struct

import imagecodecs
import numpy as np

from haqagen_jax.errors import InputError
from haqagen_jax.images.bands import ALPHA, RGB
from haqagen_jax.images.boxes import boxes, length
from haqagen_jax.images.facts import Decoded, Facts, named
from haqagen_jax.images.levels import full_depth

JP2, J2K = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_COLORS = {12: "CMYK", 14: "Lab", 18: "sYCC"}  # the enumerated color spaces that are refused


def read_facts(file: io.BufferedIOBase) -> Facts:
    """Read the size.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        InputError: Truncated before its size. The message does not name the file.
    """
    _, stream = _layout(file)
    h, w, _ = _size(file, stream)
    return Facts(h, w)


def decode(data: bytes) -> Decoded:
    """Decode the pixels.

    Args:
        data: The content of a file.

    Returns:
        Gray, RGB, or bands; alpha is what the file calls so.

    Raises:
        InputError: Truncated, or a color space that is not gray or RGB. The message does not name
            the file.
        Exception: What is damaged fails in any way.
    """
    file = io.BytesIO(data)
    found, stream = _layout(file)
    _, _, depths = _size(file, stream)
    space = int.from_bytes(found.get(b"colr", b"")[3:7], "big")
    if found.get(b"colr", b"")[:1] == b"\1" and space in _COLORS:
        raise InputError(f"is a {_COLORS[space]} image; convert it to gray or RGB")
    image = imagecodecs.jpeg2k_decode(data)
    if b"pclr" in found:  # the decoder has looked up its colors
        return named(image)
    image = np.asarray(full_depth(image, max(depths)))
    return Decoded(image, _names(len(depths), found.get(b"cdef", b"")))


def _names(count: int, definitions: bytes) -> tuple[str, ...]:
    """Name the channels; what is alpha, the channel definition box says."""
    opaque = {
        channel
        for channel, kind, _ in struct.iter_unpack(">HHH", definitions[2 : 2 + 6 * count])
        if kind in (1, 2)
    }
    colors = count - len(opaque)
    names = iter(RGB if colors in (3, 4) else ("gray",) if colors == 1 else ())
    return tuple(ALPHA if i in opaque else next(names, "") for i in range(count))


def _layout(file: io.BufferedIOBase) -> tuple[dict[bytes, bytes], int]:
    """Return the boxes of the header, and where the codestream begins."""
    end = length(file)
    file.seek(0)
    if file.read(4) == J2K:
        return {}, 0
    found: dict[bytes, bytes] = {}
    for kind, start, stop in boxes(file, 0, end):
        if kind == b"jp2h":
            for inner, first, last in boxes(file, start, min(stop, end)):
                file.seek(first)
                found.setdefault(inner, file.read(min(last, end) - first))
        elif kind == b"jp2c":
            return found, start
    raise InputError("truncated (a JPEG 2000 file without its image); copy or export it again")


def _size(file: io.BufferedIOBase, stream: int) -> tuple[int, int, list[int]]:
    """Return height, width and the bits of each component from a codestream's first segment."""
    file.seek(stream)
    segment = file.read(42)
    if len(segment) < 42 or segment[:4] != J2K:
        raise InputError("truncated (a JPEG 2000 file without its size); copy or export it again")
    right, bottom, left, top = struct.unpack_from(">4I", segment, 8)
    (count,) = struct.unpack_from(">H", segment, 40)
    parts = file.read(3 * count)
    if not count or len(parts) < 3 * count:
        raise InputError("truncated (a JPEG 2000 file without its size); copy or export it again")
    across, down = max(1, parts[1]), max(1, parts[2])
    h, w = -(-bottom // down) - -(-top // down), -(-right // across) - -(-left // across)
    return h, w, [(bits & 127) + 1 for bits in parts[::3]]
