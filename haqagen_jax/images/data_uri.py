"""Pictures inside of a page, which then needs no other file."""

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def data_uri(data: bytes, kind: str) -> str:
    """Writes a file as a URI.

    Args:
        data: of the file.
        kind: its media type, as "image/jpeg".
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def jpeg(
    image: UInt8[np.ndarray, "h w 3"], most: tuple[int, int] | None = None, quality: int = 80
) -> str:
    """Writes an image as a JPEG in a URI.

    Args:
        image: sRGB-encoded.
        most: (width, height) that it is reduced to fit into; None leaves its size.
        quality: of the JPEG, up to 95.
    """
    picture = Image.fromarray(image)
    if most is not None:
        picture.thumbnail(most)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return data_uri(buffer.getvalue(), "image/jpeg")
