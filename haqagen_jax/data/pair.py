"""Pairs of registered NIR and color images, wherever they are stored."""

import abc
import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

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


def decode_stored(
    encoded: Encoded,
) -> tuple[Real[np.ndarray, "h w"], Real[np.ndarray, "h w 3"]]:
    """Decode both images of a pair, in the types that they are stored in.

    Args:
        encoded: Bytes of both image files.

    Returns:
        NIR (h, w) in its own type and range, and sRGB (h, w, 3) as uint8, uint16 or floats in
        [0, 1].

    Raises:
        InputError: An image that cannot be decoded or is of another kind, or two sizes.
    """
    nir = decode_nir(encoded.nir, encoded.nir_source)
    rgb = decode_rgb(encoded.rgb, encoded.rgb_source)
    if nir.shape != rgb.shape[:2]:
        raise InputError(
            f"{encoded.nir_source} is {nir.shape[1]}x{nir.shape[0]} but {encoded.rgb_source} is "
            f"{rgb.shape[1]}x{rgb.shape[0]}; a pair must have one size, pixel on pixel"
        )
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


def check_pair(encoded: Encoded) -> tuple[Real[np.ndarray, "h w"], Real[np.ndarray, "h w 3"]]:
    """Decode both images of a pair and make sure that they can be prepared, too.

    Args:
        encoded: Bytes of both image files.

    Returns:
        See `decode_stored`.

    Raises:
        InputError: All of `decode_stored`; a NIR image with NaN, infinity or one value only.
    """
    nir, rgb = decode_stored(encoded)
    with located(encoded.nir_source):
        prepare_nir(nir, equalize=False)
    return nir, rgb
