"""One gray image as a NumPy array in a file (NPY). Nothing is unpickled.

Reference: NumPy Enhancement Proposal 1.
"""

import io

import numpy as np
from numpy.lib import format as npy_format

from haqagen_jax.errors import InputError
from haqagen_jax.images import nodata
from haqagen_jax.images.facts import Decoded, Facts, named

MAGIC = b"\x93NUMPY"


def read_facts(file: io.BufferedIOBase) -> Facts:
    """Read the size.

    Args:
        file: At its start.

    Returns:
        The image as it is stored.

    Raises:
        InputError: Not an array of one gray image. The message does not name the file.
        ValueError: A garbled header.
    """
    shape, _, _ = _read_header(file)
    return Facts(*shape)


def decode(data: bytes) -> Decoded:
    """Decode the pixels.

    Args:
        data: The content of a file.

    Returns:
        (h, w) in the machine's byte order; masked where floats are NaN or infinite.

    Raises:
        InputError: Not an array of one gray image, truncated, or several arrays. The message does
            not name the file.
        ValueError: A garbled header.
    """
    file = io.BytesIO(data)
    shape, by_columns, dtype = _read_header(file)
    start, count = file.tell(), shape[0] * shape[1]
    end = start + count * dtype.itemsize
    if len(data) < end:
        raise InputError(
            f"truncated ({len(data) - start} of {end - start} bytes of pixels); copy or export it "
            "again"
        )
    if data[end : end + len(MAGIC)] == MAGIC:
        raise InputError("holds several arrays; save the one to color as its own file")
    image = np.frombuffer(data, dtype, count, start).reshape(
        shape, order="F" if by_columns else "C"
    )
    return named(nodata.mask(np.ascontiguousarray(image.astype(dtype.newbyteorder("=")))))


def _read_header(file: io.BufferedIOBase) -> tuple[tuple[int, int], bool, np.dtype]:
    """Return (h, w), whether columns lie together, and the type of the pixels."""
    version = npy_format.read_magic(file)
    if version == (1, 0):
        shape, by_columns, dtype = npy_format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, by_columns, dtype = npy_format.read_array_header_2_0(file)
    else:
        raise InputError(f"is NPY of version {version[0]}; save it as plain numbers")
    if dtype.hasobject:
        raise InputError("holds Python objects, which are not read; save it as plain numbers")
    if dtype.kind not in "iuf":
        raise InputError(f"is an array of {dtype}; give integers or floats")
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) != 2:
        raise InputError(f"is an array of shape {shape}; give one image, of shape (h, w)")
    return (shape[0], shape[1]), by_columns, dtype
