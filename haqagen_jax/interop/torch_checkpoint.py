"""Read the tensors of a PyTorch checkpoint without PyTorch, and without executing the file.

`read_state_dict` takes a file that holds `network.state_dict()`, or a dictionary in which it is the
entry "state_dict", beside an epoch, an optimizer's state and the like, which are not read; `opened`
gives all that a file holds, for `haqagen_jax.interop.state_dicts` to search. Not handled: quantized
or sparse tensors, and what `haqagen_jax.interop.torch_containers` lists.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError, reason
from haqagen_jax.interop.torch_containers import open_sequence, open_zip
from haqagen_jax.interop.torch_objects import Opaque, Parameter, Tensor, shown

Arrays = dict[str, Shaped[np.ndarray, "..."]]
Read = Callable[[Mapping[str, Tensor]], Arrays]
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
    with opened(path) as (tree, read):
        with _worded(path):
            tensors = _tensors(tree)
        return read(tensors)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[tuple[Any, Read]]:
    """Open a PyTorch checkpoint for the length of a `with` block.

    Args:
        path: A `.pth` or `.pt` file.

    Yields:
        What its pickle holds, with `Tensor` and `Parameter` for tensors and `Opaque` for what is
        not known here; and a function that reads tensors by name, as read-only arrays.

    Raises:
        InputError: No such file, not such a checkpoint, or damage; the function raises it, too.
    """
    with contextlib.ExitStack() as stack:
        with _worded(path):
            file = stack.enter_context(Path(path).open("rb"))
            zipped = file.read(2) == b"PK"
            file.seek(0)
            tree, read = open_zip(file) if zipped else open_sequence(file)

        def arrays(tensors: Mapping[str, Tensor]) -> Arrays:
            with _worded(path):
                used = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
                storages = {key: read(storage) for key, storage in used.items()}
                return {
                    name: _array(name, x, storages[x.storage.key]) for name, x in tensors.items()
                }

        yield tree, arrays


@contextlib.contextmanager
def _worded(path: str | Path) -> Iterator[None]:
    """Turn whatever a bad file raises into one line."""
    try:
        yield
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
    if isinstance(tree, Opaque):
        raise InputError(f"refers to {tree.name}, which is refused")
    if not isinstance(tree, dict):
        raise InputError(f"holds one {type(tree).__name__}, not named tensors")
    if isinstance(tree.get(_WRAPPER), dict):
        tree = tree[_WRAPPER]
    tensors = {}
    for name, value in tree.items():
        tensor = value.tensor if isinstance(value, Parameter) else value
        if isinstance(tensor, Opaque):
            raise InputError(f"refers to {tensor.name}, which is refused")
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
