"""From the bytes of an image file to its pixels: PNG, JPEG and TIFF, recognised by content.

uint8, uint16 or any TIFF number type, (h, w) or (h, w, c), turned upright by the file's orientation
tag. Every failure is an `InputError` of one line that names the place. Not handled: TIFF stacks,
colour profiles.
"""

import io
import logging
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Float, Real

from haqagen_jax.errors import InputError

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
        InputError: not an image, truncated or damaged, or more than one image.
    """
    try:
        image = _decode(data)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    except Exception as error:  # the decoders raise whatever their C libraries hit first
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{place}: truncated or damaged ({reason}); copy or export it again"
        ) from None
    if image.size == 0:
        raise InputError(f"{place}: has no pixels (shape {image.shape}); export it again")
    return image


def decode_nir(data: bytes, place: str | Path) -> Real[np.ndarray, "h w"]:
    """Decodes one NIR image.

    Args:
        data: of a grey image, or of a colour file whose channels are equal (to 4 of 255 levels).
        place: where they came from, for messages.

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: a colour photograph, transparent pixels, several bands, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim == 2:
        return image
    if image.shape[2] == 3:
        _refuse_colour(image, place)
    elif image.shape[2] != 1:
        raise InputError(f"{place}: has {image.shape[2]} channels; extract the NIR band first")
    return image[..., 0]


def decode_rgb(data: bytes, place: str | Path) -> Float[np.ndarray, "h w 3"]:
    """Decodes one colour image.

    Args:
        data: of an sRGB image with 8 or 16 bits, or a float TIFF in [0, 1].
        place: where they came from, for messages.

    Returns:
        float32 in [0, 1]: integers are divided by their type's maximum.

    Raises:
        InputError: a grey image, another type or range, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{place}: has shape {image.shape}; give a colour image of 3 channels")
    if image.dtype in (np.uint8, np.uint16):
        return (image / np.float32(np.iinfo(image.dtype).max)).astype(np.float32)
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{place}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image.astype(np.float32)


def _decode(data: bytes) -> np.ndarray:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return imagecodecs.png_decode(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _decode_jpeg(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _decode_tiff(data)
    raise InputError(
        f"not a PNG, JPEG or TIFF image (it starts with {data[:4]!r}); convert it to one of them"
    )


def _decode_jpeg(data: bytes) -> np.ndarray:
    """Decodes a JPEG; a missing end is refused, where libjpeg fills in grey."""
    position, orientation = 2, 1
    while data[position + 1] != 0xDA:  # segments up to the first scan
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if segment.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(segment[6:])
        position += 2 + max(length, 2)
    if data.find(b"\xff\xd9", position) < 0:
        raise InputError("truncated (a JPEG without its end); copy or export it again")
    image = imagecodecs.jpeg8_decode(data)
    if image.ndim == 3 and image.shape[2] == 4:  # CMYK, not alpha
        raise InputError("is a CMYK image; convert it to grey")
    return _upright(image, orientation)


def _exif_orientation(exif: bytes) -> int:
    """Returns the orientation tag of an EXIF block, which is a small TIFF; 1 when unreadable."""
    try:
        with tifffile.TiffFile(io.BytesIO(exif)) as file:
            return int(file.pages.first.tags.valueof(274, default=1))
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
        orientation = int(page.tags.valueof(274, default=1))
    if image.ndim > 3 or photometric not in (0, 1, 2):
        raise InputError(
            f"unsupported TIFF ({photometric.name}, shape {image.shape}); save it as grey"
        )
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if photometric == 0 and image.dtype.kind == "u":  # white is zero
        image = np.iinfo(image.dtype).max - image
    return _upright(image, orientation)


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
            f"{place}: {clear} of {alpha.size} pixels are transparent; flatten or crop the image"
        )
    image = image[..., :-1]
    return image[..., 0] if image.shape[2] == 1 else image


def _refuse_colour(image: np.ndarray, place: str | Path) -> None:
    with np.errstate(invalid="ignore"):  # infinities are refused later, by count
        spread = np.nan_to_num(image.max(-1).astype(np.float64) - image.min(-1))
        full = np.nanmax(image) if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    if spread.max() > GREY_TOLERANCE * full:
        raise InputError(
            f"{place}: is a colour photograph (its channels differ by up to {spread.max():.3g}, "
            f"{spread.mean():.3g} on average, of {full:.5g}); give a near-infrared image"
        )
