"""Decode the bytes of an image file to the pixels of a NIR or a color image, or refuse them.

Every failure is an `InputError` of one line that names the place. Not handled: color profiles.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Bool, Real, Shaped

from haqagen_jax.errors import InputError, decodable, located
from haqagen_jax.images import nodata
from haqagen_jax.images.bands import (
    ALPHA,
    ASSOCIATED,
    RGB,
    Choice,
    chosen_band,
    listed,
    mapir_names,
    names_of,
    only_band,
    require_gray,
    tiff_names,
    to_gray,
)
from haqagen_jax.images.levels import full_depth
from haqagen_jax.images.opacity import unassociated
from haqagen_jax.images.orientation import upright
from haqagen_jax.images.other_formats import FORMATS
from haqagen_jax.images.pages import Page
from haqagen_jax.images.stored import JPEG, Stored, read_stored, stored_page
from haqagen_jax.images.tiff_source import last_byte, missing_parts

_ANY = Choice()


class Samples(NamedTuple):
    """All samples of an image.

    Attributes:
        pixels: (h, w, c), the file's own type and range; masked where they hold no data.
        names: Of each sample; see `haqagen_jax.images.bands.tiff_names`.
    """

    pixels: Real[np.ndarray, "h w c"]
    names: tuple[str, ...]

    @property
    def alpha(self) -> Real[np.ndarray, "h w"] | None:
        """The opacity of each pixel, as stored; None where the file has none."""
        if ALPHA not in self.names:
            return None
        return np.ma.getdata(self.pixels)[..., self.names.index(ALPHA)]


def decode(data: bytes, place: str | Path, number: int | None = None) -> Samples:
    """Decode the bytes of an image file.

    Args:
        data: The content of an image file.
        place: Its name, for messages.
        number: See `haqagen_jax.images.stored.read_stored`.

    Returns:
        Its samples, upright.

    Raises:
        InputError: Not an image, truncated or damaged, larger than memory, or more than one image.
    """
    return _checked(lambda: _samples(data, number), place)


def decode_page(page: Page, length: int, place: str | Path) -> Samples:
    """Decode one image of an open TIFF.

    Args:
        page: The image.
        length: Of the file, bytes.
        place: Its name, for messages.

    Returns:
        Its samples, upright.

    Raises:
        InputError: See `decode`.
    """
    return _checked(lambda: _page_samples(stored_page(page), length), place)


def _checked(samples_of: Callable[[], Samples], place: str | Path) -> Samples:
    try:
        with located(place), decodable():
            samples = samples_of()
    except MemoryError:
        raise InputError(
            f"{place}: needs more memory than there is; cut it up, or export it again"
        ) from None
    if samples.pixels.size == 0:
        shape = samples.pixels.shape
        raise InputError(f"{place}: has no pixels (shape {shape}); export it again")
    return samples


def decode_nir(data: bytes, place: str | Path, choice: Choice = _ANY) -> Real[np.ndarray, "h w"]:
    """Decode one NIR image.

    Args:
        data: The content of an image file; see `nir_of`.
        place: Its name, for messages.
        choice: The band that is wanted.

    Returns:
        See `nir_of`.

    Raises:
        InputError: All of `decode` and `nir_of`.
    """
    samples = decode(data, place, choice.number)
    with located(place):
        return nir_of(samples, choice)


def nir_of(samples: Samples, choice: Choice = _ANY) -> Real[np.ndarray, "h w"]:
    """Take the near-infrared band of an image.

    Args:
        samples: A gray image, or a color file whose channels are equal but for a cast, noise and a
            time stamp; any image, where `choice` says what to take.
        choice: The band that is wanted.

    Returns:
        (h, w), the file's own type and range; masked where it holds no data, transparent pixels
        among them.

    Raises:
        InputError: A color photograph, several bands, or a band that it does not have. The message
            does not name the file.
    """
    names, alpha = samples.names, samples.alpha
    clear = None if alpha is None else alpha == 0
    index = chosen_band(names, choice.band) if choice.band is not None else only_band(names)
    if index is not None:
        if names[index] == ALPHA:
            clear = None  # what the file calls so is a band by the user's word
        return nodata.mask(samples.pixels[..., index], None, clear)
    bands = [i for i, name in enumerate(names) if name != ALPHA]
    if len(bands) != 3:
        raise InputError(
            f"has {len(bands)} bands ({listed(names)}); extract the NIR band first, or name it: "
            "--band N"
        )
    colors = samples.pixels[..., bands]
    if choice.gray is None:
        require_gray(colors if clear is None else nodata.mask(colors, None, _all(clear, 3)))
    data = np.ma.getdata(colors)
    equal = choice.gray is None and (data == data[..., :1]).all()
    image = colors[..., 0] if equal else to_gray(colors, choice.gray or "luma")
    return nodata.mask(image, None, clear)


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
    samples = decode(data, place)
    bands = [i for i, name in enumerate(samples.names) if name != ALPHA]
    image, alpha = samples.pixels[..., bands], samples.alpha
    if len(bands) != 3:
        shape = image.shape[:2] if len(bands) == 1 else image.shape
        raise InputError(f"{place}: has shape {shape}; give a color image of 3 channels")
    missing = np.asarray(np.ma.getmaskarray(image).all(-1))
    if image.dtype.kind == "f":
        missing |= ~np.isfinite(np.ma.getdata(image)).all(-1)
    if alpha is not None:
        missing |= alpha == 0
    # A pixel is there, or is not: the nodata value in one channel alone is a color.
    image = nodata.mask(np.ma.getdata(image), None, _all(missing, 3))
    if image.dtype in (np.uint8, np.uint16):
        return image
    known = nodata.valid(image)
    if image.dtype.kind != "f" or not (known.size and known.min() >= 0 and known.max() <= 1):
        raise InputError(f"{place}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image


def _all(plane: Shaped[np.ndarray, "h w"], count: int) -> Shaped[np.ndarray, "h w c"]:
    return np.broadcast_to(plane[..., None], (*plane.shape, count))


def _samples(data: bytes, number: int | None) -> Samples:
    """Decode upright samples; palettes are replaced by their colors."""
    file = io.BytesIO(data)
    stored = read_stored(file, number)
    if stored.page is not None:
        return _page_samples(stored, len(data))
    if isinstance(stored.kind, str):
        image, names = FORMATS[stored.kind].decode(data)
    else:
        is_jpeg = stored.kind == JPEG
        image = _jpeg_pixels(data, file.tell(), stored) if is_jpeg else imagecodecs.png_decode(data)
        names = names_of(1 if image.ndim == 2 else image.shape[2])
    return _upright_samples(image, stored, mapir_names(stored.camera, names))


def _page_samples(stored: Stored, length: int) -> Samples:
    assert stored.page is not None
    image, names = _tiff_samples(stored.page, stored.mask, length)
    return _upright_samples(image, stored, names)


def _upright_samples(image: np.ndarray, stored: Stored, names: tuple[str, ...]) -> Samples:
    image = image[..., None] if image.ndim == 2 else image
    return Samples(upright(image, stored.orientation), names)


def _jpeg_pixels(data: bytes, scan: int, stored: Stored) -> np.ndarray:
    """Decode a JPEG; a missing end is refused, where libjpeg fills in gray."""
    if data.find(b"\xff\xd9", scan) < 0:
        raise InputError("truncated (a JPEG without its end); copy or export it again")
    image = imagecodecs.jpeg8_decode(data)
    if image.ndim == 3 and image.shape[2] == 4:  # CMYK, not alpha
        raise InputError("is a CMYK image; convert it to gray or RGB")
    return np.asarray(full_depth(image, stored.bits))


def _tiff_samples(
    page: tifffile.TiffPage, mask: tifffile.TiffPage | None, length: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Decode the samples of a TIFF, and name them."""
    if last_byte(page) > length:  # some decoders make up what is missing
        raise InputError("truncated (a TIFF without its last pixels); copy or export it again")
    image = page.asarray()
    if page.planarconfig == 2 and image.ndim == 3:
        image = np.moveaxis(image, 0, -1)
    photometric, colors = tifffile.PHOTOMETRIC(page.photometric), page.colormap
    jpeg = page.compression == tifffile.COMPRESSION.JPEG
    names = tiff_names(page)
    missing = None if image.ndim > 3 else _missing(page, mask, image.shape)
    image = nodata.mask(image, nodata.read_tag(page), missing)
    if photometric == tifffile.PHOTOMETRIC.PALETTE and colors is not None:
        # 16 bits by the standard, of which programs fill the upper 8, or both halves alike; some
        # write 8 bits.
        table = (colors >> 8 if colors.max() > 255 else colors).astype(np.uint8)
        looked_up = np.moveaxis(table[:, np.ma.getdata(image)], 0, -1)
        gaps = np.ma.getmaskarray(image)
        image, photometric = nodata.mask(looked_up, None, _all(gaps, 3)), tifffile.PHOTOMETRIC.RGB
        names = RGB
    elif photometric == tifffile.PHOTOMETRIC.YCBCR and jpeg:  # libjpeg has made RGB of it
        photometric = tifffile.PHOTOMETRIC.RGB
    else:
        image = full_depth(image, page.bitspersample)
    if image.ndim > 3 or photometric not in (0, 1, 2) or image.dtype.kind not in "uif":
        raise InputError(
            f"unsupported TIFF ({photometric.name}, {image.dtype}, shape {image.shape}); save it "
            "as gray or RGB"
        )
    data = np.ma.getdata(image)
    if photometric == 0 and image.dtype.kind == "u":  # white is zero, of the first band
        first = data if image.ndim == 2 else data[..., 0]
        np.invert(first, out=first)
    if ASSOCIATED in page.extrasamples and ALPHA in names and image.ndim == 3:
        bands = [i for i, name in enumerate(names) if name != ALPHA]
        opacity = _all(data[..., names.index(ALPHA)], len(bands))
        data[..., bands] = unassociated(data[..., bands], opacity)
    return image, names


def _missing(
    page: tifffile.TiffPage, mask: tifffile.TiffPage | None, shape: tuple[int, ...]
) -> Bool[np.ndarray, "..."] | None:
    """Return the pixels that a mask takes out, or whose part of a sparse file is not there."""
    missing = np.zeros(shape, bool)
    for part in (missing_parts(page), None if mask is None else mask.asarray() == 0):
        if part is not None:
            missing |= part if part.ndim == len(shape) else _all(part, shape[2])
    return missing if missing.any() else None
