"""From the bytes of an image file to the pixels of a NIR or a color image, or a refusal.

Every failure is an `InputError` of one line that names the place. Not handled: color profiles.
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import Real

from haqagen_jax.errors import InputError, decodable, located, reason
from haqagen_jax.images import formats

GRAY_TOLERANCE = 4 / 255  # of the range: rounding of a gray JPEG that was saved as RGB


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
        with located(place), decodable():
            image = formats.decode(data)
    except MemoryError:
        raise InputError(
            f"{place}: needs more memory than there is; cut it up, or export it again"
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
        h, w, orientation = formats.header(file)
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
        data: of a gray image, or of a color file whose channels are equal (to 4 of 255 levels).
        place: where they came from, for messages.

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: a color photograph, pixels that are not opaque, several bands, NaN or infinity
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
    """Decodes one color image.

    Args:
        data: of an sRGB image with 8 or 16 bits, or a float TIFF in [0, 1].
        place: where they came from, for messages.

    Returns:
        (h, w, 3): uint8 or uint16, or floats in [0, 1].

    Raises:
        InputError: a gray image, another type or range, NaN or infinity, and all of `decode`.
    """
    image = _opaque(decode(data, place), place)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{place}: has shape {image.shape}; give a colour image of 3 channels")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind == "f":
        _require_numbers(image, place)
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{place}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image


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
            f"{place}: is a colour photograph (its channels differ by up to {spread.max():.3g}, "
            f"{spread.mean():.3g} on average, of {full:.5g}); give a near-infrared image"
        )
