"""Images as data URIs, so that a page needs no other file."""

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def data_uri(data: bytes, kind: str) -> str:
    """Write a file as a URI.

    Args:
        data: The bytes of the file.
        kind: Its media type, as "image/jpeg".

    Returns:
        The URI.
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def jpeg(
    image: UInt8[np.ndarray, "h w 3"], most: tuple[int, int] | None = None, quality: int = 80
) -> str:
    """Write an image as a JPEG in a URI.

    Args:
        image: sRGB-encoded.
        most: (width, height) that it is reduced to fit into; None leaves its size.
        quality: JPEG quality, up to 95.

    Returns:
        The URI.
    """
    picture = Image.fromarray(image)
    if most is not None:
        picture.thumbnail(most)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return data_uri(buffer.getvalue(), "image/jpeg")
