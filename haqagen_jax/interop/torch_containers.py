"""Open the two containers of a PyTorch checkpoint's pickle and storages.

The zip archive (PyTorch 1.6 and later) has them as entries; the older sequence, which some of
torchvision's weights still use, has them one after the other. Storages are read on demand.
Not handled: big-endian files, compressed or encrypted archives, the tar files of PyTorch 0.1.
"""

import io
import os
import zipfile
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_objects import Storage, shown
from haqagen_jax.interop.torch_pickle import load

Read = Callable[[Storage], Shaped[np.ndarray, "elements"]]

_ENCRYPTED = 1  # a bit of a zip entry's flags
_SEQUENCE_MAGIC = 0x1950A86A20F9469CFC6C
_SEQUENCE_PROTOCOL = 1001


def open_zip(file: io.BufferedReader) -> tuple[Any, Read]:
    """Open a zip archive: `ROOT/data.pkl`, and `ROOT/data/KEY` for each storage.

    Args:
        file: The file, which must stay open while storages are read.

    Returns:
        What the pickle holds, and a function that reads a storage.

    Raises:
        InputError: Not such an archive, or one that claims more than the file holds.
        Exception: Of any kind, for a damaged file; the reader may raise it, too.
    """
    archive = zipfile.ZipFile(file)
    root = _root(archive, _length(file))
    entries = archive.NameToInfo
    order = f"{root}byteorder"
    if order in entries and archive.read(order) != b"little":
        raise InputError("is big-endian, which is not supported")
    tree, _ = load(io.BytesIO(archive.read(f"{root}data.pkl")), opaque=True)

    def read(storage: Storage) -> Shaped[np.ndarray, "elements"]:
        name = f"{root}data/{storage.key}"
        size = storage.length * _dtype(storage).itemsize
        if name not in entries or entries[name].file_size != size:
            raise InputError(f"{name} is missing or not of {size} bytes; copy the file again")
        return np.frombuffer(archive.read(name), _dtype(storage))

    return tree, read


def open_sequence(file: io.BufferedReader) -> tuple[Any, Read]:
    """Open a sequence: magic number, protocol, system facts, the object, storage keys, storages.

    Args:
        file: The file, which must stay open while storages are read.

    Returns:
        What the pickle holds, and a function that reads a storage.

    Raises:
        InputError: Not such a sequence, or one that is too short.
        Exception: Of any kind, for a damaged file.
    """
    if load(file)[0] != _SEQUENCE_MAGIC:
        raise InputError("is no PyTorch checkpoint")
    if load(file)[0] != _SEQUENCE_PROTOCOL:
        raise InputError(f"is not of protocol {_SEQUENCE_PROTOCOL}")
    if not load(file)[0]["little_endian"]:
        raise InputError("is big-endian, which is not supported")
    tree, storages = load(file, opaque=True)
    keys, _ = load(file)
    starts = {}
    offset, end = file.tell(), _length(file)
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise InputError(f"has a storage {shown(key)} that the pickle does not describe")
        storage = storages[key]
        file.seek(offset)
        length = int.from_bytes(file.read(8), "little", signed=True)
        starts[key] = offset + 8
        offset += 8 + storage.length * _dtype(storage).itemsize
        if length != storage.length or offset > end:
            raise InputError(f"storage {shown(key)} is not of {storage.length} elements")

    def read(storage: Storage) -> Shaped[np.ndarray, "elements"]:
        if storage.key not in starts:
            raise InputError(f"storage {shown(storage.key)} is missing; copy the file again")
        file.seek(starts[storage.key])
        data = file.read(storage.length * _dtype(storage).itemsize)
        return np.frombuffer(data, _dtype(storage))

    return tree, read


def _root(archive: zipfile.ZipFile, length: int) -> str:
    """Find the prefix of the entries' names; refuse entries that overlap or are encoded."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("data.pkl")]
    if len(roots) != 1:
        raise InputError(f"has {len(roots)} files named data.pkl, a checkpoint has one")
    if len(set(names)) != len(names):
        raise InputError("has two entries of one name")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise InputError(f"entry {shown(entry.filename)} is encrypted, a checkpoint's is not")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise InputError(f"entry {shown(entry.filename)} is compressed, a checkpoint's is not")
    total = sum(entry.file_size for entry in entries)
    if total > length:
        raise InputError(f"has entries of {total} bytes in a file of {length}")
    return roots[0]


def _length(file: io.BufferedReader) -> int:
    return os.fstat(file.fileno()).st_size


def _dtype(storage: Storage) -> np.dtype:
    return np.dtype(jnp.bfloat16 if storage.dtype == "bfloat16" else storage.dtype)
