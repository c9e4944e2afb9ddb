"""One scene seen twice, wherever it is stored."""

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
    """Two image files, as bytes, and where they came from."""

    nir: bytes
    rgb: bytes
    nir_place: str
    rgb_place: str


@dataclasses.dataclass(frozen=True)
class Pair(abc.ABC):
    """A NIR image and the color image of the same pixels."""

    name: str  # unique within its split

    @property
    @abc.abstractmethod
    def scene(self) -> str:
        """What all views of one place share; they belong on one side of a split."""

    @abc.abstractmethod
    def encoded(self) -> Encoded:
        """Fetches both image files.

        Raises:
            InputError: one is missing, unreadable or empty.
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
    """Decodes both images of a pair.

    Args:
        encoded: their bytes.

    Returns:
        NIR in its own type and range, and sRGB as uint8, uint16 or floats in [0, 1].

    Raises:
        InputError: an image that cannot be decoded or is of another kind, or two sizes.
    """
    nir = decode_nir(encoded.nir, encoded.nir_place)
    rgb = decode_rgb(encoded.rgb, encoded.rgb_place)
    if nir.shape != rgb.shape[:2]:
        raise InputError(
            f"{encoded.nir_place} is {nir.shape[1]}x{nir.shape[0]} but {encoded.rgb_place} is "
            f"{rgb.shape[1]}x{rgb.shape[0]}; a pair must have one size, pixel on pixel"
        )
    return nir, rgb


def decode_pair(
    encoded: Encoded,
) -> tuple[Real[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]:
    """Decodes both images of a pair; the colors become float32 in [0, 1].

    Args:
        encoded: their bytes.

    Returns:
        NIR in its own type and range, and sRGB.

    Raises:
        InputError: all of `decode_stored`.
    """
    nir, rgb = decode_stored(encoded)
    return nir, from_levels(rgb)


def check_pair(encoded: Encoded) -> tuple[Real[np.ndarray, "h w"], Real[np.ndarray, "h w 3"]]:
    """Decodes both images of a pair and makes sure that they can be prepared, too.

    Args:
        encoded: their bytes.

    Returns:
        See `decode_stored`.

    Raises:
        InputError: all of `decode_stored`; a NIR image with NaN, infinity or one value only.
    """
    nir, rgb = decode_stored(encoded)
    with located(encoded.nir_place):
        prepare_nir(nir, equalize=False)
    return nir, rgb
