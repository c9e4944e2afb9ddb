"""Read the tensors of a PyTorch checkpoint without PyTorch, and without executing the file.

The file holds `network.state_dict()`, or a dictionary in which it is the entry "state_dict", beside
an epoch, an optimizer's state and the like, which are not read. Not handled: whole pickled
networks, quantized or sparse tensors, and what `haqagen_jax.interop.torch_containers` lists.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError, reason
from haqagen_jax.interop.torch_containers import open_sequence, open_zip
from haqagen_jax.interop.torch_objects import Parameter, Tensor, shown

_WRAPPER = "state_dict"
_REMEDY = "give a file written by torch.save(network.state_dict(), path)"


def read_state_dict(path: str | Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Read the tensors of a PyTorch checkpoint.

    Args:
        path: A `.pth` or `.pt` file that holds one state dict.

    Returns:
        Name to array, in the file's order and its dtypes; the arrays are read-only.

    Raises:
        InputError: No such file, not such a checkpoint, a name that is not allowed, or damage.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            tree, read = open_zip(file) if zipped else open_sequence(file)
            tensors = _tensors(tree)
            used = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
            storages = {key: read(storage) for key, storage in used.items()}
        return {name: _array(name, t, storages[t.storage.key]) for name, t in tensors.items()}
    except InputError as error:
        raise InputError(f"{path}: {error}; {_REMEDY}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); {_REMEDY}") from None
    except MemoryError:
        raise InputError(f"{path}: asks for more memory than there is; {_REMEDY}") from None
    except Exception as error:  # a damaged file can raise anything
        raise InputError(
            f"{path}: is no PyTorch checkpoint, or damaged ({reason(error)}); {_REMEDY}"
        ) from None


def _tensors(tree: Any) -> dict[str, Tensor]:
    """Check that a pickle held named tensors and nothing else, and return them."""
    if not isinstance(tree, dict):
        raise InputError(f"holds one {type(tree).__name__}, not named tensors")
    if isinstance(tree.get(_WRAPPER), dict):
        tree = tree[_WRAPPER]
    tensors = {}
    for name, value in tree.items():
        tensor = value.tensor if isinstance(value, Parameter) else value
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise InputError(f"entry {shown(name)} is a {type(tensor).__name__}, not a tensor")
        tensors[name] = tensor
    return tensors


def _array(
    name: str, tensor: Tensor, data: Shaped[np.ndarray, "elements"]
) -> Shaped[np.ndarray, "..."]:
    offset, shape, strides = tensor[1:]
    size = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    # Without the size check, a stride of 0 could make an array of any size of one element.
    if size > data.size or (size > 0 and last >= data.size):
        raise InputError(
            f"tensor {shown(name)} reaches outside its storage of {data.size} elements"
        )
    if size == 0:
        return np.empty(shape, data.dtype)
    steps = tuple(step * data.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(data[offset:], shape, steps, writeable=False)
