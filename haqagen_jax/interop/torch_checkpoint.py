"""Read `torch.save(network.state_dict())` without PyTorch, and without executing the file.

A checkpoint is a pickle, and a pickle may call anything it can name. Here it can name ordered
dictionaries, tensors, parameters and their storages; any other name is refused before it is looked
up. Both containers are read: the zip archive (PyTorch 1.6 and later) and the plain sequence before
it, which torchvision's older weights still use. Not handled: whole pickled networks, quantised or
sparse tensors, big-endian files, and the tar files of PyTorch 0.1.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError, reason

_DTYPES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_REMEDY = "give a file written by torch.save(network.state_dict(), path)"


class _Storage(NamedTuple):
    key: str
    dtype: str
    length: int  # elements


class _Tensor(NamedTuple):
    """A view of a storage, in elements; made concrete when the storages are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Parameter:
    """A parameter of PyTorch before 0.4; the tensor comes at construction or with the state."""

    def __new__(cls, tensor: Any = None) -> "_Parameter":
        """Construct without `__init__`, which a pickle does not call."""
        self = super().__new__(cls)
        self.tensor = tensor
        return self

    def __setstate__(self, state: tuple) -> None:
        """Take the tensor from the first of the two forms; the second holds flags only."""
        if len(state) == 5:
            self.tensor = state[0]


def read_state_dict(path: str | Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Read the tensors of a PyTorch checkpoint.

    Args:
      path: a `.pth` or `.pt` file that holds one state dict.

    Returns:
      Name to array, in the file's order and its dtypes; the arrays are read-only.

    Raises:
      InputError: no such file, not such a checkpoint, a name that is not allowed, or damage.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            entries, storages = _read_zip(file) if zipped else _read_sequence(file)
        return {name: _array(name, entry, storages) for name, entry in entries}
    except InputError as error:
        raise InputError(f"{path}: {error}; {_REMEDY}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {_REMEDY}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise InputError(f"{path}: is no PyTorch checkpoint ({reason(error)}); {_REMEDY}") from None


def _read_zip(file: io.BufferedIOBase) -> tuple[list[tuple[str, _Tensor]], dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        roots = [name.removesuffix("data.pkl") for name in names if name.endswith("data.pkl")]
        if len(roots) != 1:
            raise InputError(f"has {len(roots)} files named data.pkl, a checkpoint has one")
        root = roots[0]
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise InputError("is big-endian, which is not supported")
        unpickler = _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")))
        entries = _entries(unpickler.load())
        storages = {}
        for key, storage in unpickler.storages.items():
            name = f"{root}data/{key}"
            size = storage.length * _dtype(storage).itemsize
            if name not in names or archive.getinfo(name).file_size != size:
                raise InputError(f"{name} is missing or not of {size} bytes; copy the file again")
            storages[key] = np.frombuffer(archive.read(name), _dtype(storage))
    return entries, storages


def _read_sequence(
    file: io.BufferedIOBase,
) -> tuple[list[tuple[str, _Tensor]], dict[str, np.ndarray]]:
    """Magic number, protocol, system facts, the object, storage keys, then the storages."""
    if _Unpickler(file).load() != _LEGACY_MAGIC:
        raise InputError("is no PyTorch checkpoint")
    if _Unpickler(file).load() != _LEGACY_PROTOCOL:
        raise InputError(f"is not of protocol {_LEGACY_PROTOCOL}")
    if not _Unpickler(file).load()["little_endian"]:
        raise InputError("is big-endian, which is not supported")
    unpickler = _Unpickler(file)
    entries = _entries(unpickler.load())
    storages = {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        length = int.from_bytes(file.read(8), "little", signed=True)
        data = file.read(storage.length * _dtype(storage).itemsize)
        if length != storage.length or len(data) != length * _dtype(storage).itemsize:
            raise InputError(f"storage {key} is not of {storage.length} elements")
        storages[key] = np.frombuffer(data, _dtype(storage))
    return entries, storages


class _Unpickler(pickle.Unpickler):
    """Resolves the names of `_ALLOWED` and collects the storages that the pickle refers to."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        super().__init__(file, encoding="utf-8")  # Python 2 wrote names as byte strings
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for here, or refuse it."""
        if (module, name) not in _ALLOWED:
            raise InputError(f"refers to {module}.{name}, which is refused")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Note a storage; its data are read later."""
        kind, dtype, key, _device, length, *view = pid
        if kind != "storage" or not isinstance(key, str) or any(v is not None for v in view):
            raise InputError(f"has a persistent object {kind!r} that is not a storage")
        storage = _Storage(key, dtype, _count(length))
        if self.storages.setdefault(key, storage) != storage:
            raise InputError(f"storage {key} is described twice")
        return storage


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise InputError("has a tensor without a storage")
    return _Tensor(storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise InputError(f"has {value!r} where a number of elements is expected")
    return value


def _parameter(tensor: Any, *_rest: Any) -> Any:
    return tensor


# All that a pickle may name. It can call these, and hand a state to what they return; it cannot
# change them: the class takes no state of its own, and the functions have nothing to set.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.nn.parameter", "Parameter"): _Parameter,
} | {("torch", storage): dtype for storage, dtype in _DTYPES.items()}


def _entries(tree: Any) -> list[tuple[str, _Tensor]]:
    """Check that a pickle held named tensors and nothing else."""
    if not isinstance(tree, dict):
        raise InputError(f"holds one {type(tree).__name__}, not named tensors")
    entries = []
    for name, value in dict.items(tree):  # not tree.items: a pickle can shadow a method
        tensor = value.tensor if isinstance(value, _Parameter) else value
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise InputError(f"entry {name!r} is a {type(tensor).__name__}, not a tensor")
        entries.append((name, tensor))
    return entries


def _dtype(storage: _Storage) -> np.dtype:
    return np.dtype(jnp.bfloat16 if storage.dtype == "bfloat16" else storage.dtype)


def _array(name: str, tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    data, offset, shape, strides = storages[tensor.storage.key], *tensor[1:]
    size = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    # A step of 0 could make an array of any size from one element.
    if size > data.size or (size > 0 and last >= data.size):
        raise InputError(f"tensor {name} reaches outside its storage of {data.size} elements")
    if size == 0:
        return np.empty(shape, data.dtype)
    steps = tuple(step * data.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(data[offset:], shape, steps, writeable=False)
