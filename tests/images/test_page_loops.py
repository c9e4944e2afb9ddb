"""Directories of a TIFF that lead back: the file is refused, and nobody waits for ever."""

import struct

import numpy as np
import pytest
import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images.files import is_complete, read_nir, read_size

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)


def looped(path, count, back):
    """Writes pages of which the last one is followed by an earlier one, or by itself."""
    with tifffile.TiffWriter(path) as file:
        for _ in range(count):
            file.write(IMAGE, metadata=None)
    data, offsets, links = bytearray(path.read_bytes()), [], []
    (offset,) = struct.unpack_from("<I", data, 4)
    while offset:
        (entries,) = struct.unpack_from("<H", data, offset)
        offsets.append(offset)
        links.append(offset + 2 + 12 * entries)
        (offset,) = struct.unpack_from("<I", data, links[-1])
    struct.pack_into("<I", data, links[-1], offsets[back])
    path.write_bytes(data)


@pytest.mark.parametrize(("count", "back"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (5, 3)])
def test_a_loop_is_refused(tmp_path, count, back):
    looped(tmp_path / "a.tif", count, back)
    for read in (read_nir, read_size):
        with pytest.raises(InputError, match=r"a\.tif: .*(form a loop|holds \d images)"):
            read(tmp_path / "a.tif")
    assert not is_complete(tmp_path / "a.tif", IMAGE.shape)
