"""Read and write image files: PNG, JPEG and TIFF, recognised by content, written by extension.

Read: uint8, uint16 or any TIFF number type, (h, w) or (h, w, c), turned upright by the file's
orientation tag. Written: RGB, uint8 (all three), uint16 (PNG, TIFF), float32 (TIFF); a file
appears under its name only when it is complete. Every failure is an `InputError` of one line that
names the file. Not handled: TIFF stacks, images larger than memory, GeoTIFF tags, colour profiles.
"""

import contextlib
import io
import logging
import os
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from jaxtyping import Float, Real

from haqagen_jax.errors import InputError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
JPEG_QUALITY = 95
GREY_TOLERANCE = 4 / 255  # of the range: rounding of a grey JPEG that was saved as RGB

# Damaged TIFF tags are reported by what fails to decode, not by a library's log on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read(path: str | Path) -> Real[np.ndarray, "h w *c"]:
    """Reads an image as it is stored.

    Args:
        path: of a PNG, JPEG or TIFF file, whatever its extension.

    Returns:
        (h, w) or (h, w, c), c counting an alpha channel; the file's own type and range.

    Raises:
        InputError: missing, a directory, unreadable, empty, not an image, truncated or damaged,
            or more than one image in the file.
    """
    data = _read_bytes(Path(path))
    try:
        image = _decode(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # the decoders raise whatever their C libraries hit first
        raise InputError(
            f"{path}: truncated or damaged ({_line(error)}); copy or export it again"
        ) from None
    if image.size == 0:
        raise InputError(f"{path}: has no pixels (shape {image.shape}); export it again")
    return image


def read_nir(path: str | Path) -> Real[np.ndarray, "h w"]:
    """Reads one NIR image.

    Args:
        path: of a grey image, or of a colour file whose channels are equal (to 4 of 255 levels).

    Returns:
        (h, w), the file's own type and range.

    Raises:
        InputError: a colour photograph, transparent pixels, several bands, and all of `read`.
    """
    image = _opaque(read(path), path)
    if image.ndim == 2:
        return image
    if image.shape[2] == 3:
        _refuse_colour(image, path)
    elif image.shape[2] != 1:
        raise InputError(f"{path}: has {image.shape[2]} channels; extract the NIR band first")
    return image[..., 0]


def read_rgb(path: str | Path) -> Float[np.ndarray, "h w 3"]:
    """Reads one colour image.

    Args:
        path: of an sRGB image with 8 or 16 bits, or a float TIFF in [0, 1].

    Returns:
        float32 in [0, 1]: integers are divided by their type's maximum.

    Raises:
        InputError: a grey image, another type or range, and all of `read`.
    """
    image = _opaque(read(path), path)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{path}: has shape {image.shape}; give a colour image of 3 channels")
    if image.dtype in (np.uint8, np.uint16):
        return (image / np.float32(np.iinfo(image.dtype).max)).astype(np.float32)
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise InputError(f"{path}: is {image.dtype}; give 8 or 16 bits, or float in [0, 1]")
    return image.astype(np.float32)


def check_depth(path: str | Path, dtype: np.dtype) -> None:
    """Refuses a file type that cannot hold a pixel type.

    Args:
        path: a name with an image extension.
        dtype: uint8, uint16 or float32.

    Raises:
        InputError: an unknown extension, or too many bits for it.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in EXTENSIONS:
        raise InputError(f"{path}: extension {suffix!r} is none of {', '.join(EXTENSIONS)}")
    limit = {".jpg": 1, ".jpeg": 1, ".png": 2}.get(suffix, 4)
    if dtype.itemsize > limit:
        raise InputError(f"{path}: {suffix} cannot hold {dtype}; name it .tif")


def write(path: str | Path, rgb: Real[np.ndarray, "h w 3"]) -> None:
    """Writes a colour image; the name appears with the last byte or not at all.

    Args:
        path: the extension chooses the format; JPEG has quality 95 and full colour resolution.
        rgb: uint8, uint16 or float32.

    Raises:
        InputError: a type the format cannot hold, or the file cannot be written.
    """
    path = Path(path)
    check_depth(path, rgb.dtype)
    suffix = path.suffix.lower()
    if suffix == ".png":
        data = imagecodecs.png_encode(rgb)
    elif suffix in (".jpg", ".jpeg"):
        data = imagecodecs.jpeg8_encode(rgb, level=JPEG_QUALITY, subsampling="444")
    else:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, rgb, photometric="rgb", compression="zlib", predictor=True)
        data = buffer.getvalue()
    try:
        _write_bytes(path, data)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({_line(error)}); free the disk or choose another folder"
        ) from None


def _write_bytes(path: Path, data: bytes | bytearray) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        # After a failure or an interrupt; after success the name is gone already. A failure to
        # remove must not hide the failure to write.
        with contextlib.suppress(OSError):
            part.unlink()


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; give an image file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_line(error)}); check its rights") from None
    if not data:
        raise InputError(f"{path}: is empty (0 bytes); copy or export it again")
    return data


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


def _opaque(image: np.ndarray, path: str | Path) -> np.ndarray:
    """Drops an alpha channel that says nothing."""
    if image.ndim == 2 or image.shape[2] not in (2, 4):
        return image
    alpha = image[..., -1]
    full = 1.0 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max
    clear = int(alpha.size - np.count_nonzero(alpha == full))
    if clear:
        raise InputError(
            f"{path}: {clear} of {alpha.size} pixels are transparent; flatten or crop the image"
        )
    image = image[..., :-1]
    return image[..., 0] if image.shape[2] == 1 else image


def _refuse_colour(image: np.ndarray, path: str | Path) -> None:
    with np.errstate(invalid="ignore"):  # infinities are refused later, by count
        spread = np.nan_to_num(image.max(-1).astype(np.float64) - image.min(-1))
        full = np.nanmax(image) if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    if spread.max() > GREY_TOLERANCE * full:
        raise InputError(
            f"{path}: is a colour photograph (its channels differ by up to {spread.max():.3g}, "
            f"{spread.mean():.3g} on average, of {full:.5g}); give a near-infrared image"
        )


def _line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join((reason or type(error).__name__).split())
