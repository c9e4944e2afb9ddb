"""BMP, WebP and AVIF: what they say of themselves by Pillow, which is imported when one is met.

The classes of Pillow are called by themselves: no plugin is registered, and no limit of pixels is
set or met.
"""

import io
import struct

import imagecodecs
import numpy as np

from haqagen_jax.errors import InputError
from haqagen_jax.images.exif import read_orientation
from haqagen_jax.images.facts import Decoded, Facts, named
from haqagen_jax.images.levels import full_depth

_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the kinds of headers
AVIF = {b"avif", b"avis"}


def is_bmp(start: bytes) -> bool:
    """Tell whether a file is a BMP.

    Args:
        start: Its first bytes.

    Returns:
        Whether it begins as one.
    """
    known = len(start) >= 18 and struct.unpack_from("<I", start, 14)[0] in _BMP_HEADERS
    return start[:2] == b"BM" and known


def is_webp(start: bytes) -> bool:
    """Tell whether a file is a WebP.

    Args:
        start: Its first bytes.

    Returns:
        Whether it begins as one.
    """
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP"


def bmp_facts(file: io.BufferedIOBase) -> Facts:
    """Read the size of a BMP.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        Exception: What is damaged fails in any way.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(file)  # pyright: ignore[reportArgumentType]
    return Facts(image.height, image.width)


def decode_bmp(data: bytes) -> Decoded:
    """Decode the pixels of a BMP; palettes are replaced by their colors.

    Args:
        data: The content of a file.

    Returns:
        Gray or RGB, perhaps with alpha; uint8.

    Raises:
        Exception: What is damaged fails in any way.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(io.BytesIO(data))
    image.load()
    mode = {"1": "L", "P": "RGB"}.get(image.mode, image.mode)
    return named(np.asarray(image if mode == image.mode else image.convert(mode)))


def webp_facts(file: io.BufferedIOBase) -> Facts:
    """Read what a WebP says before its pixels.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        InputError: An animation. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    from PIL.WebPImagePlugin import WebPImageFile

    return _facts(WebPImageFile(file))  # pyright: ignore[reportArgumentType]


def decode_webp(data: bytes) -> Decoded:
    """Decode the pixels of a WebP.

    Args:
        data: The content of a file.

    Returns:
        RGB, perhaps with alpha; uint8.

    Raises:
        Exception: What is damaged fails in any way.
    """
    return named(imagecodecs.webp_decode(data))


def avif_facts(file: io.BufferedIOBase) -> Facts:
    """Read what an AVIF says before its pixels.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        InputError: Several images. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    from PIL.AvifImagePlugin import AvifImageFile

    return _facts(AvifImageFile(file))  # pyright: ignore[reportArgumentType]


def decode_avif(data: bytes) -> Decoded:
    """Decode the pixels of an AVIF.

    Args:
        data: The content of a file.

    Returns:
        Gray or RGB, perhaps with alpha; uint8, or uint16 for 10 and 12 bits.

    Raises:
        Exception: What is damaged fails in any way.
    """
    # The configuration of the codec says the depth: the third byte's second and third bit.
    place = data.find(b"av1C") + 6
    bits = {0: 8, 0x40: 10, 0x60: 12}.get(data[place] & 0x60, 8) if place > 5 else 8
    return named(np.asarray(full_depth(imagecodecs.avif_decode(data), bits)))


def _facts(image) -> Facts:
    count = getattr(image, "n_frames", 1)
    if count != 1:
        raise InputError(f"holds {count} images; save the one to color as its own file")
    block = image.info.get("exif", b"")
    size = image.height, image.width
    return Facts(*size, read_orientation(block), block, image.info.get("xmp", b""))
