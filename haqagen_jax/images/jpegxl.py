"""JPEG XL, as a file of boxes or the bare codestream; the decoder applies its orientation.

Reference: ISO/IEC 18181-1, Annexes A and D; ISO/IEC 18181-2.
"""

import io

import imagecodecs
import numpy as np

from haqagen_jax.errors import InputError
from haqagen_jax.images.boxes import boxes, length
from haqagen_jax.images.facts import Decoded, Facts, named
from haqagen_jax.images.levels import full_depth

BOXES, STREAM = b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a"
_LONGEST = 64  # bytes that the fields that are read may take
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def read_facts(file: io.BufferedIOBase) -> Facts:
    """Read the size of the upright image.

    Args:
        file: At its start.

    Returns:
        The image as it is decoded.

    Raises:
        InputError: Truncated before its size, or an animation. The message does not name the file.
    """
    h, w, _ = _read_header(file)
    return Facts(h, w)


def decode(data: bytes) -> Decoded:
    """Decode the pixels.

    Args:
        data: The content of a file.

    Returns:
        Gray or RGB, perhaps with alpha, upright; uint8, uint16 or floats.

    Raises:
        InputError: An animation. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    _, _, bits = _read_header(io.BytesIO(data))
    return named(np.asarray(full_depth(imagecodecs.jpegxl_decode(data), bits)))


def _read_header(file: io.BufferedIOBase) -> tuple[int, int, int]:
    """Return height and width of the upright image, and the bits of a sample."""
    fields = _Bits(_stream(file))
    h, w = _read_size(fields)
    orientation, bits = 1, 8
    if not fields.take(1):  # else all is as it is most often
        if fields.take(1):
            orientation = 1 + fields.take(3)
            if fields.take(1):
                _read_size(fields)  # at which it should be shown
            if fields.take(1):
                _skip_preview(fields)
            if fields.take(1):
                raise InputError("is an animation; save the image to color as its own file")
        if fields.take(1):  # floats
            bits = fields.choose((0, 32), (0, 16), (0, 24), (6, 1))
        else:
            bits = fields.choose((0, 8), (0, 10), (0, 12), (6, 1))
    if fields.over:
        raise InputError("truncated (a JPEG XL image without its size); copy or export it again")
    return (w, h, bits) if orientation > 4 else (h, w, bits)


def _stream(file: io.BufferedIOBase) -> bytes:
    """Return the first bytes of the codestream, after its signature."""
    end = length(file)
    file.seek(0)
    if file.read(2) == STREAM:
        return file.read(_LONGEST)
    data = b""
    for kind, start, stop in boxes(file, 0, end):
        if kind in (b"jxlc", b"jxlp") and len(data) < _LONGEST:
            first = start + (4 if kind == b"jxlp" else 0)  # the number of the part
            file.seek(first)
            data += file.read(max(0, min(stop - first, _LONGEST)))
    return data[2:]


class _Bits:
    """The fields of a header, least bits first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    @property
    def over(self) -> bool:
        return self._left < 0

    def take(self, count: int) -> int:
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value

    def choose(self, *forms: tuple[int, int]) -> int:
        """Read one of four forms: so many bits, and what is added to them."""
        count, base = forms[self.take(2)]
        return base + self.take(count)


def _read_size(fields: _Bits) -> tuple[int, int]:
    small = fields.take(1)

    def side() -> int:
        if small:
            return 8 * (fields.take(5) + 1)
        return fields.choose((9, 1), (13, 1), (18, 1), (30, 1))

    h, ratio = side(), fields.take(3)
    if not ratio:
        return h, side()
    above, below = _RATIOS[ratio]
    return h, h * above // below


def _skip_preview(fields: _Bits) -> None:
    small = fields.take(1)

    def side() -> None:
        forms = (0, 16), (0, 32), (5, 1), (9, 33)
        fields.choose(*(forms if small else ((6, 1), (8, 65), (10, 321), (12, 1345))))

    side()
    if not fields.take(3):
        side()
