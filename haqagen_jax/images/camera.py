"""Camera raw images by rawpy, and HEIC by pillow-heif, which are an extra: `haqagen-jax[raw]`.

A raw image is read as its sensor saw it: linear, without white balance and without a gain that
depends on the image, demosaiced to red, green and blue with 16 bits, upright.
"""

import importlib
import io
from typing import Any

import numpy as np
import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images.boxes import brands
from haqagen_jax.images.facts import Decoded, Facts, named
from haqagen_jax.images.levels import full_depth
from haqagen_jax.images.pages import directories

_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_STARTS = {
    b"IIRO": "Olympus ORF",
    b"IIRS": "Olympus ORF",
    b"MMOR": "Olympus ORF",
    b"IIU\0": "Panasonic RW2",
    b"FUJIFILMCCD-RAW": "Fujifilm RAF",
    b"FOVb": "Sigma X3F",
    b"\0MRM": "Minolta MRW",
}
_MAKERS = {"nikon": "Nikon NEF", "sony": "Sony ARW", "pentax": "Pentax PEF", "samsung": "SRW"}
_MAKE, _SUBFILES, _DNG_VERSION = 271, 330, 50706
_MOSAICS = (32803, 34892)  # photometric: a color filter array, and linear raw


def is_heic(start: bytes) -> bool:
    """Tell whether a file is HEIC.

    Args:
        start: Its first bytes.

    Returns:
        Whether it begins as one.
    """
    return not _HEIC.isdisjoint(brands(start))


def raw_name(start: bytes) -> str:
    """Name a raw image that its first bytes tell apart from all others.

    Args:
        start: Its first bytes.

    Returns:
        As "Fujifilm RAF"; "" for other files, a raw image that is a TIFF among them.
    """
    if b"crx " in brands(start):
        return "Canon CR3"
    if start[:4] == b"II*\0" and start[8:10] == b"CR":
        return "Canon CR2"
    return next((name for mark, name in _STARTS.items() if start.startswith(mark)), "")


def tiff_raw_name(content: tifffile.TiffFile) -> str:
    """Name a raw image that is a TIFF.

    Args:
        content: The open file.

    Returns:
        As "DNG"; "" for a TIFF that is an image as it is.
    """
    pages = [page for page in directories(content) if isinstance(page, tifffile.TiffPage)]
    first = pages[0]
    is_dng, make = _DNG_VERSION in first.tags, str(first.tags.valueof(_MAKE, default=""))
    candidates = list(pages)
    if (is_dng or make) and first.pages is not None:
        candidates += [page for page in first.pages if isinstance(page, tifffile.TiffPage)]
    raw = any(int(page.photometric) in _MOSAICS for page in candidates)
    if not raw and not (is_dng and all(page.is_reduced for page in candidates)):
        return ""
    if is_dng:
        return "DNG"
    words = make.lower().split()
    return next((_MAKERS[word] for word in words if word in _MAKERS), "") or "of a TIFF's kind"


def heic_facts(file: io.BufferedIOBase) -> Facts:
    """Read what a HEIC says before its pixels; the library turns it upright.

    Args:
        file: At its start.

    Returns:
        The image as it is decoded.

    Raises:
        InputError: No library, or several images. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    image = _open_heic(file)
    w, h = image.size
    return Facts(h, w, exif=image.info.get("exif") or b"", xmp=image.info.get("xmp") or b"")


def decode_heic(data: bytes) -> Decoded:
    """Decode the pixels of a HEIC.

    Args:
        data: The content of a file.

    Returns:
        Gray or RGB, perhaps with alpha; uint8, or uint16 for 10 and 12 bits.

    Raises:
        InputError: See `heic_facts`.
        Exception: What is damaged fails in any way.
    """
    image = _open_heic(io.BytesIO(data))
    pixels, bits = np.asarray(image), int(image.info.get("bit_depth", 8))
    return named(np.asarray(full_depth(pixels, bits if bits > 1 else 8)))


def raw_facts(file: io.BufferedIOBase, name: str = "") -> Facts:
    """Read the size of a raw image.

    Args:
        file: At its start.
        name: What kind it is, for messages.

    Returns:
        The image as it is decoded.

    Raises:
        InputError: No library. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    rawpy = _library("rawpy", f"a camera raw image ({name})", "develop it to a TIFF")
    with rawpy.imread(file) as raw:
        sizes = raw.sizes
        h, w = sizes.iheight, sizes.iwidth
        return Facts(w, h) if sizes.flip in (5, 6) else Facts(h, w)


def decode_raw(data: bytes) -> Decoded:
    """Decode a raw image.

    Args:
        data: The content of a file.

    Returns:
        RGB of the sensor, or gray of one without color filters; uint16, linear, upright.

    Raises:
        InputError: No library. The message does not name the file.
        Exception: What is damaged fails in any way.
    """
    rawpy = _library("rawpy", "a camera raw image", "develop it to a TIFF")
    with rawpy.imread(io.BytesIO(data)) as raw:
        image = raw.postprocess(
            output_bps=16,
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            user_wb=[1.0, 1.0, 1.0, 1.0],
            output_color=rawpy.ColorSpace.raw,
        )
        gray = raw.num_colors == 1
    image = np.asarray(image)
    return named(image[..., 0] if image.ndim == 3 and (gray or image.shape[2] == 1) else image)


def _open_heic(file: io.BufferedIOBase) -> Any:
    library = _library("pillow_heif", "a HEIC image", "save it as a PNG")
    image = library.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    if len(image) != 1:
        raise InputError(f"holds {len(image)} images; save the one to color as its own file")
    return image


def _library(module: str, what: str, otherwise: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"is {what}; pip install 'haqagen-jax[raw]' to read it, or {otherwise}"
        ) from None
