"""PBM, PGM and PPM, as text and as bytes, up to 16 bits.

Reference: the manual pages pbm(5), pgm(5) and ppm(5) of Netpbm.
"""

import io
import re
from typing import NamedTuple

import numpy as np

from haqagen_jax.errors import InputError
from haqagen_jax.images.facts import Decoded, Facts, named

_START = re.compile(rb"P[1-6][\s#]")
_FIELD = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*(\d+)")
_COMMENT = re.compile(rb"#[^\r\n]*")
_LONGEST = 1 << 16  # bytes of a header with its comments


class _Header(NamedTuple):
    kind: int  # 1 to 6
    height: int
    width: int
    maximum: int  # the value that stands for white
    end: int  # where the pixels begin


def is_pnm(start: bytes) -> bool:
    """Tell whether a file is PBM, PGM or PPM.

    Args:
        start: Its first bytes.

    Returns:
        Whether it begins as one.
    """
    return _START.match(start) is not None


def read_facts(file: io.BufferedIOBase) -> Facts:
    """Read the size.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        InputError: A header that cannot be read. The message does not name the file.
    """
    header = _read_header(file.read(_LONGEST))
    return Facts(header.height, header.width)


def decode(data: bytes) -> Decoded:
    """Decode the pixels.

    Args:
        data: The content of a file.

    Returns:
        Gray or RGB; uint8, or uint16 where white is above 255, scaled so that white is the type's
        maximum.

    Raises:
        InputError: Truncated or damaged, or several images. The message does not name the file.
    """
    header = _read_header(data)
    h, w, channels = header.height, header.width, 3 if header.kind in (3, 6) else 1
    plain = header.kind <= 3
    values = _text(data, header, h * w * channels) if plain else _binary(data, header, channels)
    image = values.reshape((h, w, channels) if channels > 1 else (h, w))
    if image.size and int(image.max()) > header.maximum:
        raise InputError(
            f"damaged (a value of {int(image.max())} where {header.maximum} is white); export it "
            "again"
        )
    if header.kind in (1, 4):  # 1 is black
        return named((1 - image).astype(np.uint8) * np.uint8(255))
    dtype = np.uint8 if header.maximum < 256 else np.uint16
    full = np.iinfo(dtype).max
    if header.maximum != full:
        image = np.rint(image * (full / header.maximum))
    return named(image.astype(dtype))


def _read_header(data: bytes) -> _Header:
    kind = int(data[1:2])
    fields, end = [], 2
    for _ in range(2 if kind in (1, 4) else 3):
        found = _FIELD.match(data, end)
        if found is None or len(found[1]) > 10:
            raise InputError("has a damaged header; export it again")
        fields.append(int(found[1]))
        end = found.end()
    width, height, maximum = (*fields, 1)[:3]
    if not 0 < maximum < 65536:
        raise InputError(f"has a damaged header ({maximum} is white); export it again")
    return _Header(kind, height, width, maximum, end + 1)


def _text(data: bytes, header: _Header, count: int) -> np.ndarray:
    text = _COMMENT.sub(b"", data[header.end - 1 :])
    if header.kind == 1:  # digits need no space between them
        digits = np.frombuffer(b"".join(text.split()), np.uint8)[:count]
        values = digits.astype(np.int64) - ord("0")
    else:
        values = np.array(text.split()[:count]).astype(np.int64)
    if len(values) < count:
        raise InputError(f"truncated ({len(values)} of {count} values); copy or export it again")
    if count and int(values.min()) < 0:
        raise InputError("damaged (a negative value); export it again")
    return values


def _binary(data: bytes, header: _Header, channels: int) -> np.ndarray:
    h, w = header.height, header.width
    stored = np.dtype(np.uint8 if header.maximum < 256 else ">u2")
    row = -(-w // 8) if header.kind == 4 else w * channels * stored.itemsize
    end = header.end + h * row
    if len(data) < end:
        raise InputError(
            f"truncated ({max(0, len(data) - header.end)} of {h * row} bytes of pixels); copy or "
            "export it again"
        )
    if is_pnm(data[end : end + 64].lstrip()):
        raise InputError("holds several images; save the one to color as its own file")
    if header.kind == 4:
        packed = np.frombuffer(data, np.uint8, h * row, header.end)
        return np.unpackbits(packed.reshape(h, row), axis=1)[:, :w]
    return np.frombuffer(data, stored, h * row // stored.itemsize, header.end)
