"""What a file of a less common format says before its pixels, and what its decoder returns."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from haqagen_jax.images.bands import names_of


class Facts(NamedTuple):
    """An image as it is stored.

    Attributes:
        height, width: Pixels, before the orientation is applied.
        orientation: The tag of EXIF, 1 to 8; 1 where the decoder applies it.
        exif: The EXIF block; empty if there is none.
        xmp: The XMP packet; empty if there is none.
    """

    height: int
    width: int
    orientation: int = 1
    exif: bytes = b""
    xmp: bytes = b""


class Decoded(NamedTuple):
    """The pixels of an image as they are stored, at the full depth of their type.

    Attributes:
        image: Gray, or with channels.
        names: Of each channel; see `haqagen_jax.images.bands.tiff_names`.
    """

    image: Real[np.ndarray, "h w"] | Real[np.ndarray, "h w c"]
    names: tuple[str, ...]


def named(image: np.ndarray) -> Decoded:
    """Name the channels of an image by their number, as those of a PNG.

    Args:
        image: (h, w) or (h, w, c).

    Returns:
        The image and the names.
    """
    return Decoded(image, names_of(1 if image.ndim == 2 else image.shape[2]))
