"""The ICC profile of sRGB, and how PNG and JPEG files carry it; TIFF has a tag for it."""

import functools
import struct
import zlib

from PIL import ImageCms

_SIGNATURE = 8  # bytes before a PNG's first chunk, which describes the image in 25 more
_HEADER = _SIGNATURE + 25
_DATE = slice(24, 36)  # creation date, which would make every file differ


@functools.cache
def profile() -> bytes:
    """Return the profile of sRGB; deterministic, as its date is cleared."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[_DATE] = bytes(_DATE.stop - _DATE.start)
    return bytes(data)


def into_png(data: bytes) -> bytes:
    """Add the profile to a PNG file.

    Args:
        data: The bytes of a file without one.

    Returns:
        The bytes with the profile, before the first chunk of pixels.

    Reference: Portable Network Graphics (W3C, 2003), Sec. 11.3.3.3, iCCP.
    """
    content = b"iCCP" + b"sRGB\0\0" + zlib.compress(profile())
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    return data[:_HEADER] + chunk + data[_HEADER:]


def into_jpeg(data: bytes) -> bytes:
    """Add the profile to a JPEG file.

    Args:
        data: The bytes of a file without one.

    Returns:
        The bytes with the profile.

    Reference: ICC.1:2010, Annex B.4.
    """
    content = b"ICC_PROFILE\0\1\1" + profile()
    segment = b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    start = 2
    if data[2:4] == b"\xff\xe0":  # JFIF comes first
        start += 2 + int.from_bytes(data[4:6], "big")
    return data[:start] + segment + data[start:]
