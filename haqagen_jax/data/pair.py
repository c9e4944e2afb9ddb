"""Pairs of registered NIR and color images, wherever they are stored.

What is decoded here is a plain array: a pair with pixels that hold no data is cropped to the part
where both of its images hold some.
"""

import abc
import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from haqagen_jax.data.valid_area import Cut, crop_to_data
from haqagen_jax.errors import InputError, located
from haqagen_jax.images.decode import decode_nir, decode_rgb
from haqagen_jax.images.files import read_bytes
from haqagen_jax.images.levels import from_levels
from haqagen_jax.nir.preparation import prepare_nir


class Encoded(NamedTuple):
    """Two image files as bytes, and the names of their sources for error messages."""

    nir: bytes
    rgb: bytes
    nir_source: str
    rgb_source: str


@dataclasses.dataclass(frozen=True)
class Pair(abc.ABC):
    """A NIR image and the color image of the same pixels."""

    name: str  # unique within its split

    @property
    @abc.abstractmethod
    def scene(self) -> str:
        """Name of the scene, which all views of it share; a scene belongs to one split only."""

    @abc.abstractmethod
    def encoded(self) -> Encoded:
        """Fetch both image files.

        Returns:
            Their bytes, not decoded.

        Raises:
            InputError: One is missing, unreadable or empty.
        """


@dataclasses.dataclass(frozen=True)
class FilePair(Pair):
    """Two image files."""

    nir: Path
    rgb: Path
    of: str = ""  # the scene, where the name does not say it

    @property
    def scene(self) -> str:
        """See `Pair.scene`."""
        return self.of or self.name

    def encoded(self) -> Encoded:
        """See `Pair.encoded`."""
        return Encoded(read_bytes(self.nir), read_bytes(self.rgb), str(self.nir), str(self.rgb))


class Decoded(NamedTuple):
    """Both images of a pair, in the types that they are stored in; plain arrays.

    Attributes:
        nir: In its own type and range.
        rgb: sRGB as uint8, uint16 or floats in [0, 1].
        cut: What was cropped, because one of the images holds no data elsewhere; None for nothing.
    """

    nir: Real[np.ndarray, "h w"]
    rgb: Real[np.ndarray, "h w 3"]
    cut: Cut | None


def decode_cropped(encoded: Encoded) -> Decoded:
    """Decode both images of a pair, cropped to the part where both hold data.

    Args:
        encoded: Bytes of both image files.

    Returns:
        Both images, whole where no pixel is without data.

    Raises:
        InputError: An image that cannot be decoded or is of another kind, two sizes, or too few
            pixels with data; see `haqagen_jax.data.valid_area`.
    """
    nir = decode_nir(encoded.nir, encoded.nir_source)
    rgb = decode_rgb(encoded.rgb, encoded.rgb_source)
    if nir.shape != rgb.shape[:2]:
        raise InputError(
            f"{encoded.nir_source} is {nir.shape[1]}x{nir.shape[0]} but {encoded.rgb_source} is "
            f"{rgb.shape[1]}x{rgb.shape[0]}; a pair must have one size, pixel on pixel"
        )
    with located(encoded.nir_source):
        return Decoded(*crop_to_data(nir, rgb))


def decode_stored(
    encoded: Encoded,
) -> tuple[Real[np.ndarray, "h w"], Real[np.ndarray, "h w 3"]]:
    """Decode both images of a pair, in the types that they are stored in.

    Args:
        encoded: Bytes of both image files.

    Returns:
        NIR (h, w) in its own type and range, and sRGB (h, w, 3) as uint8, uint16 or floats in
        [0, 1]; plain arrays, see `decode_cropped`.

    Raises:
        InputError: All of `decode_cropped`.
    """
    nir, rgb, _ = decode_cropped(encoded)
    return nir, rgb


def decode_pair(
    encoded: Encoded,
) -> tuple[Real[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]:
    """Decode both images of a pair; the colors become float32 in [0, 1].

    Args:
        encoded: Bytes of both image files.

    Returns:
        NIR (h, w) in its own type and range, and sRGB (h, w, 3).

    Raises:
        InputError: All of `decode_stored`.
    """
    nir, rgb = decode_stored(encoded)
    return nir, from_levels(rgb)


def check_pair(encoded: Encoded) -> Decoded:
    """Decode both images of a pair and make sure that they can be prepared, too.

    Args:
        encoded: Bytes of both image files.

    Returns:
        See `decode_cropped`.

    Raises:
        InputError: All of `decode_cropped`; an image with one value only, as a frame of a closed
            shutter.
    """
    decoded = decode_cropped(encoded)
    with located(encoded.nir_source):
        prepare_nir(decoded.nir, equalize=False)
    with located(encoded.rgb_source):
        _require_colors(decoded.rgb)
    return decoded


def _require_colors(rgb: Real[np.ndarray, "h w 3"]) -> None:
    """Refuse one color all over, from which nothing can be learned; a single pixel has no other."""
    height, width, _ = rgb.shape
    if height * width > 1 and (rgb == rgb[0, 0]).all():
        value = ", ".join(f"{x:.9g}" for x in rgb[0, 0].tolist())
        raise InputError(
            f"all {height * width} pixels have the color {value}, which holds no picture; replace "
            "the pair, or take it out"
        )
