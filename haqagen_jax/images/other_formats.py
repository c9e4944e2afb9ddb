"""The less common formats, recognized by content: how each is read.

BMP, PGM and its kin, WebP, JPEG 2000, JPEG XL, NPY, AVIF; HEIC and camera raw with the extra.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

from haqagen_jax.images import camera, jpeg2000, jpegxl, npy, pillow_formats, pnm
from haqagen_jax.images.boxes import brands
from haqagen_jax.images.facts import Decoded, Facts

RAW = "raw"
# The extensions of these formats, and of the raw images of many makers; content is what counts.
EXTENSIONS = (
    *(".bmp", ".dib", ".pbm", ".pgm", ".ppm", ".pnm", ".webp", ".jp2", ".j2k", ".j2c", ".jpx"),
    *(".jxl", ".npy", ".avif", ".heic", ".heif", ".hif"),
    *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".pef"),
    *(".srw", ".3fr", ".iiq", ".x3f", ".mrw", ".erf", ".rwl"),
)


class Format(NamedTuple):
    """How one format is read.

    Attributes:
        matches: Takes the first 64 bytes of a file.
        read_facts: Takes the file at its start; raises an `InputError` that does not name it, and
            other exceptions for what is damaged.
        decode: Takes the bytes of the file; raises the same.
    """

    matches: Callable[[bytes], bool]
    read_facts: Callable[[io.BufferedIOBase], Facts]
    decode: Callable[[bytes], Decoded]


def _raw_facts(file: io.BufferedIOBase) -> Facts:
    name = camera.raw_name(file.read(64))
    file.seek(0)
    return camera.raw_facts(file, name)


FORMATS = {
    "bmp": Format(pillow_formats.is_bmp, pillow_formats.bmp_facts, pillow_formats.decode_bmp),
    "pnm": Format(pnm.is_pnm, pnm.read_facts, pnm.decode),
    "webp": Format(pillow_formats.is_webp, pillow_formats.webp_facts, pillow_formats.decode_webp),
    "npy": Format(lambda start: start.startswith(npy.MAGIC), npy.read_facts, npy.decode),
    "jpeg2000": Format(
        lambda start: start.startswith((jpeg2000.JP2, jpeg2000.J2K)),
        jpeg2000.read_facts,
        jpeg2000.decode,
    ),
    "jpegxl": Format(
        lambda start: start.startswith((jpegxl.BOXES, jpegxl.STREAM)),
        jpegxl.read_facts,
        jpegxl.decode,
    ),
    "avif": Format(
        lambda start: not pillow_formats.AVIF.isdisjoint(brands(start)),
        pillow_formats.avif_facts,
        pillow_formats.decode_avif,
    ),
    "heic": Format(camera.is_heic, camera.heic_facts, camera.decode_heic),
    RAW: Format(lambda start: bool(camera.raw_name(start)), _raw_facts, camera.decode_raw),
}


def format_of(start: bytes) -> str | None:
    """Recognize a format.

    Args:
        start: The first 64 bytes of a file, or all of a shorter one.

    Returns:
        A key of `FORMATS`; None for any other file. A raw image that is a TIFF like others is not
        told from its first bytes, see `haqagen_jax.images.camera.tiff_raw_name`.
    """
    return next((kind for kind, one in FORMATS.items() if one.matches(start)), None)
