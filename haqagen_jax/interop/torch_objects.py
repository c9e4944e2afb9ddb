"""Define what a PyTorch checkpoint's pickle may name and call, and what it gets for it.

A pickle can name ordered dictionaries, tensors, parameters and their storages. Any other name is
refused before it is looked up, or stands for an `Opaque`, which is a name and nothing else.
"""

import reprlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from haqagen_jax.errors import InputError

DTYPES = {
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
_MAX_DIMENSIONS = 32  # jax has no more, and long shapes could fill the memory

_repr = reprlib.Repr()  # a message is one line, whatever the file holds
_repr.maxstring = _repr.maxother = 120


class Storage(NamedTuple):
    """The elements that tensors are views of; they lie outside the pickle.

    Attributes:
        key: Name of the storage in its container.
        dtype: Name of its type, a value of `DTYPES`.
        length: Number of elements.
    """

    key: str
    dtype: str
    length: int


class Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Built:
    """Base of objects that a pickle constructs first and whose state it sets afterwards."""

    def set_state(self, state: Any) -> None:
        """Set the state.

        Args:
            state: Any value that the pickle holds.

        Raises:
            InputError: It is not the state of such an object.
            Exception: Of any kind, for a damaged pickle.
        """
        raise NotImplementedError


class Parameter(Built):
    """A parameter of PyTorch before 0.4; the tensor comes at construction or with the state."""

    def __init__(self, tensor: Any = None, *_flags: Any) -> None:
        self.tensor = tensor

    def set_state(self, state: Any) -> None:
        """Set the tensor, the first of five entries; see `Built.set_state`.

        A state of another length has only flags.
        """
        if len(state) == 5:
            self.tensor = state[0]


class Opaque(Built):
    """An object of a class that is not known here, such as a network or a program's arguments.

    Attributes:
        name: What the pickle refers to; it is not looked up.
        entries: What the pickle puts into the object, if it is a dictionary of some kind.
        state: The object's attributes, if they are a dictionary.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: dict[Any, Any] = {}
        self.state: dict[Any, Any] = {}

    def set_state(self, state: Any) -> None:
        """Keep the attributes; see `Built.set_state`."""
        if isinstance(state, dict):
            self.state = state


def shown(value: Any) -> str:
    """Format a value of a file for a message.

    Args:
        value: Any value that the pickle holds.

    Returns:
        Text or an integer, shortened; of any other value its type.
    """
    plain = isinstance(value, str | int)  # the repr of a nested value may be endless
    return _repr.repr(value) if plain else f"a {type(value).__name__}"


def filled(target: Any, items: list[Any]) -> dict[Any, Any]:
    """Put entries into a dictionary.

    Args:
        target: The dictionary, which is changed.
        items: Keys and values, interleaved.

    Returns:
        The same dictionary.

    Raises:
        InputError: `target` is no dictionary, or a key is neither text nor number.
    """
    if isinstance(target, Opaque):
        target = target.entries
    if not isinstance(target, dict):
        raise InputError(f"has a {type(target).__name__} where a dictionary is expected")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, Opaque):  # a member of an enumeration, for one
            continue
        if not isinstance(key, str | int | float | None):  # hashing a nested tuple may take forever
            raise InputError(f"has a dictionary with a {type(key).__name__} for a key")
        target[key] = value
    return target


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    """Make an ordered dictionary: Python 2 passes the entries, Python 3 sets them afterwards."""
    ordered = filled(OrderedDict(), [part for key, value in pairs for part in (key, value)])
    if pairs:
        list.clear(pairs)  # or a pickle could pass one long list many times, and fill the memory
    return ordered


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> Tensor | Opaque:
    if isinstance(storage, Opaque):  # of a type that is not known here
        return storage
    if not isinstance(storage, Storage):
        raise InputError("has a tensor without a storage")
    if len(shape) != len(strides) or len(shape) > _MAX_DIMENSIONS:
        raise InputError(f"has a tensor of {len(shape)} sizes and {len(strides)} strides")
    return Tensor(storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _parameter(tensor: Any, *_rest: Any) -> Any:
    return tensor


# All that a checkpoint's pickle may name.
ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.nn.parameter", "Parameter"): Parameter,
} | {("torch", storage): dtype for storage, dtype in DTYPES.items()}


def named(
    module: Any, name: Any, allowed: Mapping[tuple[str, str], Any], *, opaque: bool = False
) -> Any:
    """Look up what an allowed name stands for; nothing is imported.

    Args:
        module: Module of the name; text, or refused.
        name: Name within the module; text, or refused.
        allowed: What each name that a pickle may use stands for.
        opaque: Whether every other name stands for an `Opaque`.

    Returns:
        An entry of `allowed`, or an `Opaque`.

    Raises:
        InputError: The name is not allowed.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise InputError("has a name that is not text")
    if (module, name) not in allowed:
        full = f"{module}.{name}"[:120]
        if opaque:
            return Opaque(full)
        raise InputError(f"refers to {full}, which is refused")
    return allowed[module, name]


def called(function: Any, arguments: Any) -> Any:
    """Call what `named` returned.

    Args:
        function: An entry of `allowed`, or any other value of the pickle, which is refused.
        arguments: A tuple.

    Returns:
        The result of the call; of an `Opaque` another of its name, and nothing is called.

    Raises:
        InputError: `function` cannot be called.
    """
    if isinstance(function, Opaque):
        return Opaque(function.name)
    if not callable(function):  # only what `named` returns is, nothing else in a pickle
        raise InputError(f"calls a {type(function).__name__}")
    return function(*arguments)


def set_state(target: Any, state: Any) -> None:
    """Set the state of an object; that of an ordered dictionary, its `_metadata`, is ignored.

    Args:
        target: The object.
        state: Any value that the pickle holds.

    Raises:
        InputError: Such an object has no state, or another one.
    """
    if isinstance(target, Built):
        target.set_state(state)
    elif not isinstance(target, OrderedDict):
        raise InputError(f"gives a state to a {type(target).__name__}")


def storage(pid: Any) -> Storage | Opaque:
    """Parse the persistent id of a storage.

    Args:
        pid: "storage", dtype, key, device and length.

    Returns:
        The description of the storage; an `Opaque` for one whose type is one.

    Raises:
        InputError: `pid` is not of a storage, or not of a known type.
    """
    kind, dtype, key, _device, length, *view = pid
    if kind != "storage" or not isinstance(key, str) or any(v is not None for v in view):
        raise InputError(f"has a persistent object {shown(kind)} that is not a storage")
    if isinstance(dtype, Opaque):
        return dtype
    if dtype not in DTYPES.values():
        raise InputError(f"storage {shown(key)} is of the unknown type {shown(dtype)}")
    return Storage(key, dtype, _count(length))


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise InputError(f"has {shown(value)} where a number of elements is expected")
    return value
