"""From the bytes of an image file to its pixels: PNG, JPEG and TIFF, recognised by content.

uint8, uint16 or any TIFF number type, (h, w) or (h, w, c). JPEG and TIFF are turned upright by
their orientation tag; a PNG is taken as it is. Every failure is an `InputError` of one line that
names the place. Not handled: TIFF stacks, colour profiles.
"""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.errors import InputError, reason

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274  # the tag of TIFF and EXIF; 5 to 8 lie on their side
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that state the size
GREY_TOLERANCE = 4 / 255  # of the range: rounding of a grey JPEG that was saved as RGB

# Damaged TIFF tags are reported by what fails to decode, not by a library's log on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def decode(data: bytes, place: str | Path) -> Real[np.ndarray, "h w *c"]:
    """Decodes the bytes of an image file.

    Args:
        data: of a PNG, JPEG or TIFF file.
        place: where they came from, for messages.

    Returns:
        (h, w) or (h, w, c), c counting an alpha channel; the file's own type and range.

    Raises:
        InputError: not an image, truncated or damaged, larger than memory, or more than one image.
    """
    try:
        image = _decode(data)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    except MemoryError:
        raise InputError(
            f"{place}: needs more memory than there is; cut it up, or export it again"
        ) from None
    except Exception as error:  # the decoders raise whatever their C libraries hit first
        raise InputError(
            f"{place}: truncated or damaged ({reason(error)}); copy or export it again"
        ) from None
    if image.size == 0:
        raise InputError(f"{place}: has no pixels (shape {image.shape}); export it again")
    return image


def upright_size(file: io.BufferedIOBase, place: str | Path) -> tuple[int, int]:
    """Reads the size of the image that `decode` would return, from the header alone.

    Args:
        file: a PNG, JPEG or TIFF file.
        place: where it is, for messages.

    Returns:
        (h, w).

    Raises:
        InputError: not an image, or a header that cannot be read.
    """
    try:
        h, w, orientation = _header(file)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    except Exception as error:  # a garbled header fails in any way
        raise InputError(
            f"{place}: has a damaged header ({reason(error)}); copy or export it again"
        ) from None
    return (w, h) if 5 <= orientation <= 8 else (h, w)


def decode_nir(data: bytes, place: str | Path) -> Real[np.ndarray, "h w"]:
    """Decodes one NIR image.

    Args:
        data: of a grey image, or of a colour file whose channels are equal (to 4 of 255 levels).
        place: where they came from, for messages.

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: a colour photograph, pixels that are not opaque, several bands, NaN or infinity
            in a colour file, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim == 2:
        return image
    if image.shape[2] == 3:
        _refuse_colour(image, place)
    elif image.shape[2] != 1:
        raise InputError(f"{place}: has {image.shape[2]} channels; extract the NIR band first")
    return image[..., 0]


def decode_rgb(data: bytes, place: str | Path) -> Real[np.ndarray, "h w 3"]:
    """Decodes one colour image.

    Args:
        data: of an sRGB image with 8 or 16 bits, or a float TIFF in [0, 1].
        place: where they came from, for messages.

    Returns:
        (h, w, 3): uint8 or uint16, or floats in [0, 1].

    Raises:
        InputError: a grey image, another type or range, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{place}: has shape {image.shape}; give a colour image of 3 channels")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{place}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image


def _decode(data: bytes) -> np.ndarray:
    if data.startswith(_PNG):
        return imagecodecs.png_decode(data)
    if data.startswith(_JPEG):
        return _decode_jpeg(data)
    if data.startswith(_TIFF):
        return _decode_tiff(data)
    raise _not_an_image(data)


def _not_an_image(start: bytes) -> InputError:
    return InputError(
        f"not a PNG, JPEG or TIFF image (it starts with {start[:4]!r}); convert it to one of them"
    )


def _header(file: io.BufferedIOBase) -> tuple[int, int, int]:
    """Returns the stored height and width, and the orientation."""
    start = file.read(24)
    if start.startswith(_PNG):
        if len(start) < 24:
            raise InputError("truncated (a PNG without its size); copy or export it again")
        return int.from_bytes(start[20:24], "big"), int.from_bytes(start[16:20], "big"), 1
    if start.startswith(_JPEG):
        return _jpeg_header(file)
    if start.startswith(_TIFF):
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:  # pyright: ignore
            page = tiff.pages.first
            return page.imagelength, page.imagewidth, _orientation(page)
    raise _not_an_image(start)


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
    """Decodes a JPEG; a missing end is refused, where libjpeg fills in grey."""
    file = io.BytesIO(data)
    *_, orientation = _jpeg_header(file)
    if data.find(b"\xff\xd9", file.tell()) < 0:
        raise InputError("truncated (a JPEG without its end); copy or export it again")
    image = imagecodecs.jpeg8_decode(data)
    if image.ndim == 3 and image.shape[2] == 4:  # CMYK, not alpha
        raise InputError("is a CMYK image; convert it to grey")
    return _upright(image, orientation)


def _exif_orientation(exif: bytes) -> int:
    """Returns the orientation tag of an EXIF block, which is a small TIFF; 1 when unreadable."""
    try:
        with tifffile.TiffFile(io.BytesIO(exif)) as file:
            return _orientation(file.pages.first)
    except Exception:  # broken camera metadata must not stop a good picture
        return 1


def _decode_tiff(data: bytes) -> np.ndarray:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
        pages = [page for page in found if not page.is_reduced]  # no thumbnails
        if len(pages) != 1:
            raise InputError(f"holds {len(pages)} images; save the one to colour as its own file")
        page = pages[0]
        image = page.asarray()
        if page.planarconfig == 2 and image.ndim == 3:
            image = np.moveaxis(image, 0, -1)
        photometric = tifffile.PHOTOMETRIC(page.photometric)
        orientation = _orientation(page)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.ndim > 3 or photometric not in (0, 1, 2) or image.dtype.kind not in "uif":
        raise InputError(
            f"unsupported TIFF ({photometric.name}, {image.dtype}, shape {image.shape}); save it "
            "as grey"
        )
    if photometric == 0 and image.dtype.kind == "u":  # white is zero
        image = np.iinfo(image.dtype).max - image
    return _upright(image, orientation)


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


def _opaque(image: np.ndarray, place: str | Path) -> np.ndarray:
    """Drops an alpha channel that says nothing."""
    if image.ndim == 2 or image.shape[2] not in (2, 4):
        return image
    alpha = image[..., -1]
    full = 1.0 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    clear = int(alpha.size - np.count_nonzero(alpha == full))
    if clear:
        raise InputError(
            f"{place}: {clear} of {alpha.size} pixels are not opaque; flatten or crop the image"
        )
    image = image[..., :-1]
    return image[..., 0] if image.shape[2] == 1 else image


def _refuse_colour(image: np.ndarray, place: str | Path) -> None:
    bad = int(np.count_nonzero(~np.isfinite(image).all(-1)))
    if bad:
        raise InputError(
            f"{place}: {bad} of {image[..., 0].size} pixels are NaN or infinite; replace them by "
            "valid values"
        )
    with np.errstate(over="ignore"):  # of the extremes of float64
        spread = image.max(-1).astype(np.float64) - image.min(-1)
    full = np.abs(image).max() if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    if spread.max() > GREY_TOLERANCE * full:
        raise InputError(
            f"{place}: is a colour photograph (its channels differ by up to {spread.max():.3g}, "
            f"{spread.mean():.3g} on average, of {full:.5g}); give a near-infrared image"
        )
