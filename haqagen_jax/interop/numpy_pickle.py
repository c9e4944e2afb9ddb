"""Read pickled trees of NumPy arrays as data: nothing is imported, nothing is executed.

`haqagen_jax.interop.torch_pickle` interprets the opcodes; this file says what such a pickle may
name. Arrays are float32, little-endian, and protocol 3 or later, whose bytes are no calls. Not
handled: other dtypes, arrays of objects, the out-of-band buffers and `_frombuffer` of protocol 5.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from haqagen_jax.errors import InputError, reason
from haqagen_jax.interop import torch_pickle
from haqagen_jax.interop.torch_objects import Built, shown

_Values = Float32[np.ndarray, "..."]

_CODE = "f4"
_BYTE_ORDER = "<"
_MAX_DIMENSIONS = 32
_NDARRAY = "ndarray"  # stands for the class, which is named and never called


class Dtype(Built):
    """A NumPy dtype: float32, or refused."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        if code != _CODE:
            raise InputError(f"has an array of type {shown(code)}; must be {_CODE}")

    def set_state(self, state: Any) -> None:
        """Check the byte order, the second entry of the state; see `Built.set_state`."""
        if state[1] != _BYTE_ORDER:
            raise InputError(f"has an array of byte order {shown(state[1])}; must be {_BYTE_ORDER}")


class Ndarray(Built):
    """A NumPy array.

    Attributes:
        values: float32, read-only; None until the state is set.
    """

    def __init__(self, kind: Any, *_placeholder: Any) -> None:
        if kind != _NDARRAY:
            raise InputError(f"has an array of the class {shown(kind)}")
        self.values: _Values | None = None

    def set_state(self, state: Any) -> None:
        """Set the values from (version, shape, dtype, Fortran order, bytes); see `Built`."""
        _version, shape, dtype, fortran_order, data = state
        if not isinstance(dtype, Dtype) or not isinstance(data, bytes):
            raise InputError("has an array without a type or without bytes")
        if len(shape) > _MAX_DIMENSIONS or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise InputError("has an array of an impossible shape")
        values = np.frombuffer(data, np.dtype(_BYTE_ORDER + _CODE))
        if math.prod(shape) != values.size:
            raise InputError(f"has an array whose shape does not fit its {values.size} values")
        self.values = values.reshape(shape, order="F" if fortran_order else "C")


# All that a pickle may name; NumPy 2.0 renamed the module `numpy.core`.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Dtype,
    ("numpy.core.multiarray", "_reconstruct"): Ndarray,
    ("numpy._core.multiarray", "_reconstruct"): Ndarray,
}


def read_tree(path: Path, remedy: str) -> Any:
    """Read a pickle of nested dictionaries with NumPy arrays for leaves.

    Args:
        path: Path of the pickle.
        remedy: What the user can do, for the message.

    Returns:
        What the pickle holds: dictionaries, `Ndarray` leaves, or other data of a wrong file. The
        values of arrays are read-only.

    Raises:
        InputError: It cannot be read, is no such pickle, names what is not allowed, or is damaged;
            the message leaves the file to the caller.
    """
    try:
        with path.open("rb") as file:
            tree, _ = torch_pickle.load(file, _ALLOWED)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    except OSError as error:
        raise InputError(f"cannot be read ({reason(error)}); {remedy}") from None
    except MemoryError:
        raise InputError(f"asks for more memory than there is; {remedy}") from None
    except Exception as error:  # a damaged file can raise anything
        raise InputError(
            f"is no pickle of arrays, or damaged ({reason(error)}); {remedy}"
        ) from None
    return tree
