"""Write tensors as a file that `torch.load(path)` reads, without PyTorch.

The file is the zip archive of PyTorch 1.6 and later: a pickle of an ordered dictionary, and one
entry a tensor, little-endian. Equal tensors give equal bytes. Not written: `_metadata`, the
versions of a network's layers. `load_state_dict` does without it for layers in today's form: batch
norm with `num_batches_tracked`, spectral norm with `weight_orig`, `weight_u` and `weight_v`.
"""

import math
import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_objects import DTYPES
from haqagen_jax.system.files import replaced

_STORAGES = {dtype: storage for storage, dtype in DTYPES.items()}
_UNIX = 3  # zip's "made on", which zipfile would take from the machine


def write_state_dict(
    path: str | Path, tensors: Mapping[str, Shaped[np.ndarray, "..."]], *, overwrite: bool = False
) -> None:
    """Write named tensors atomically and deterministically.

    Args:
        path: Path of the file, in a folder that exists.
        tensors: Name to array, in the order of the file; any of the types that
            `torch_checkpoint.read_state_dict` returns.
        overwrite: Whether a file of that name is replaced.

    Raises:
        InputError: The file exists, a tensor of another type, or it cannot be written.
    """
    path = Path(path)
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{path}: exists; add --overwrite or choose another name")
    for name, tensor in tensors.items():
        if tensor.dtype.name not in _STORAGES:
            raise InputError(
                f"tensor {name}: is of type {tensor.dtype}, which is not written; convert it to "
                f"one of {', '.join(_STORAGES)}"
            )
    with replaced(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_entry("data.pkl"), _pickled(tensors))
        archive.writestr(_entry("byteorder"), b"little")
        for index, tensor in enumerate(tensors.values()):
            little = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
            archive.writestr(_entry(f"data/{index}"), little.reshape(-1).view(np.uint8).data)
        archive.writestr(_entry("version"), b"3\n")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"archive/{name}")  # dated 1980, so that equal tensors give equal bytes
    entry.create_system = _UNIX
    return entry


def _pickled(tensors: Mapping[str, Shaped[np.ndarray, "..."]]) -> bytes:
    """Pickle the ordered dictionary: each tensor is rebuilt from the storage of its index."""
    entries = [
        _text(name) + _tensor(str(index), tensor)
        for index, (name, tensor) in enumerate(tensors.items())
    ]
    head = pickle.PROTO + b"\x02" + _EMPTY_ORDERED_DICT
    return head + pickle.MARK + b"".join(entries) + pickle.SETITEMS + pickle.STOP


def _tensor(key: str, tensor: Shaped[np.ndarray, "..."]) -> bytes:
    """Pickle a call that rebuilds a tensor.

    Its arguments are storage, offset, shape, strides in elements, no gradient and no hooks.
    """
    storage = _tuple(
        _text("storage"),
        _global("torch", _STORAGES[tensor.dtype.name]),
        _text(key),
        _text("cpu"),
        _integer(tensor.size),
    )
    strides = [math.prod(tensor.shape[axis + 1 :]) for axis in range(tensor.ndim)]
    arguments = _tuple(
        storage + pickle.BINPERSID,
        _integer(0),
        _tuple(*map(_integer, tensor.shape)),
        _tuple(*map(_integer, strides)),
        pickle.NEWFALSE,
        _EMPTY_ORDERED_DICT,
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + pickle.REDUCE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii")


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(number: int) -> bytes:
    data = pickle.encode_long(number)
    return pickle.LONG1 + bytes([len(data)]) + data


_EMPTY_ORDERED_DICT = _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
