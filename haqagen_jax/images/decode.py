"""Decode the bytes of an image file to the pixels of a NIR or a color image, or refuse them.

Every failure is an `InputError` of one line that names the place. Not handled: color profiles.
"""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Real

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images.header import PNG, read_stored
from haqagen_jax.images.tiff import last_byte

GRAY_TOLERANCE = 4 / 255  # of the range: rounding of a gray JPEG that was saved as RGB


def decode(data: bytes, place: str | Path) -> Real[np.ndarray, "h w *c"]:
    """Decode the bytes of an image file.

    Args:
        data: The content of a PNG, JPEG or TIFF file.
        place: Its name, for messages.

    Returns:
        (h, w) or (h, w, c), c counting an alpha channel; the file's own type and range.

    Raises:
        InputError: Not an image, truncated or damaged, larger than memory, or more than one image.
    """
    try:
        with located(place), decodable():
            image = _pixels(data)
    except MemoryError:
        raise InputError(
            f"{place}: needs more memory than there is; cut it up, or export it again"
        ) from None
    if image.size == 0:
        raise InputError(f"{place}: has no pixels (shape {image.shape}); export it again")
    return image


def decode_nir(data: bytes, place: str | Path) -> Real[np.ndarray, "h w"]:
    """Decode one NIR image.

    Args:
        data: A gray image, or a color file whose channels are equal (to 4 of 255 levels).
        place: Its name, for messages.

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: A color photograph, pixels that are not opaque, several bands, NaN or infinity
            in a color file, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim == 2:
        return image
    if image.shape[2] == 3:
        _refuse_color(image, place)
    elif image.shape[2] != 1:
        raise InputError(f"{place}: has {image.shape[2]} channels; extract the NIR band first")
    return image[..., 0]


def decode_rgb(data: bytes, place: str | Path) -> Real[np.ndarray, "h w 3"]:
    """Decode one color image.

    Args:
        data: An sRGB image with 8 or 16 bits, or a float TIFF in [0, 1].
        place: Its name, for messages.

    Returns:
        (h, w, 3): uint8 or uint16, or floats in [0, 1].

    Raises:
        InputError: A gray image, another type or range, NaN or infinity, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{place}: has shape {image.shape}; give a color image of 3 channels")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind == "f":
        _require_numbers(image, place)
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{place}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image


def _opaque(image: np.ndarray, place: str | Path) -> np.ndarray:
    """Drop an alpha channel that is opaque everywhere; refuse any other."""
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


def _require_numbers(image: np.ndarray, place: str | Path) -> None:
    bad = int(np.count_nonzero(~np.isfinite(image).all(-1)))
    if bad:
        raise InputError(
            f"{place}: {bad} of {image[..., 0].size} pixels are NaN or infinite; replace them by "
            "valid values"
        )


def _refuse_color(image: np.ndarray, place: str | Path) -> None:
    _require_numbers(image, place)
    with np.errstate(over="ignore"):  # of the extremes of float64
        spread = image.max(-1).astype(np.float64) - image.min(-1)
    full = np.abs(image).max() if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    if spread.max() > GRAY_TOLERANCE * full:
        raise InputError(
            f"{place}: is a color photograph (its channels differ by up to {spread.max():.3g}, "
            f"{spread.mean():.3g} on average, of {full:.5g}); give a near-infrared image"
        )


def _pixels(data: bytes) -> np.ndarray:
    """Decode upright pixels; palettes are replaced by their colors."""
    file = io.BytesIO(data)
    stored = read_stored(file)
    if stored.page is not None:
        image = _tiff_pixels(stored.page, len(data))
    elif data.startswith(PNG):
        image = imagecodecs.png_decode(data)
    else:
        image = _jpeg_pixels(data, scan=file.tell())
    return _upright(image, stored.orientation)


def _jpeg_pixels(data: bytes, scan: int) -> np.ndarray:
    """Decode a JPEG; a missing end is refused, where libjpeg fills in gray."""
    if data.find(b"\xff\xd9", scan) < 0:
        raise InputError("truncated (a JPEG without its end); copy or export it again")
    image = imagecodecs.jpeg8_decode(data)
    if image.ndim == 3 and image.shape[2] == 4:  # CMYK, not alpha
        raise InputError("is a CMYK image; convert it to gray or RGB")
    return image


def _tiff_pixels(page: tifffile.TiffPage, length: int) -> np.ndarray:
    if last_byte(page) > length:  # some decoders make up what is missing
        raise InputError("truncated (a TIFF without its last pixels); copy or export it again")
    image = page.asarray()
    if page.planarconfig == 2 and image.ndim == 3:
        image = np.moveaxis(image, 0, -1)
    photometric, colors = tifffile.PHOTOMETRIC(page.photometric), page.colormap
    jpeg = page.compression == tifffile.COMPRESSION.JPEG
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and colors is not None:
        # 16 bits by the standard, of which programs fill the upper 8, or both halves alike; some
        # write 8 bits.
        table = (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
        image, photometric = np.moveaxis(table[:, image], 0, -1), tifffile.PHOTOMETRIC.RGB
    elif photometric == tifffile.PHOTOMETRIC.YCBCR and jpeg:  # libjpeg has made RGB of it
        photometric = tifffile.PHOTOMETRIC.RGB
    else:
        image = _full_scale(image, page.bitspersample)
    if image.ndim > 3 or photometric not in (0, 1, 2) or image.dtype.kind not in "uif":
        raise InputError(
            f"unsupported TIFF ({photometric.name}, {image.dtype}, shape {image.shape}); save it "
            "as gray or RGB"
        )
    if photometric == 0 and image.dtype.kind == "u":  # white is zero
        image = np.iinfo(image.dtype).max - image
    return image


def _full_scale(image: np.ndarray, bits: int) -> np.ndarray:
    """Scale pixels of fewer bits than their type, as 12 of 16, to the full range of the type."""
    if image.dtype.kind != "u" or bits == 8 * image.dtype.itemsize:
        return image
    factor = np.iinfo(image.dtype).max / (2**bits - 1)
    return np.rint(image * factor).astype(image.dtype)


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Apply the orientation tag of EXIF and TIFF (1 to 8; others count as 1)."""
    if orientation in (2, 3, 7, 8):
        image = image[:, ::-1]
    if orientation in (3, 4, 6, 7):
        image = image[::-1]
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image)
