"""Find the tensors of one network in whatever file holds them, and convert them.

The file is a PyTorch checkpoint, a safetensors file or a NumPy archive. In it are named tensors in
dictionaries, in lists, or in the modules of a pickled network, at any depth and behind any prefix:
those are taken whose names end as the network's do. Nothing in the file is executed.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped
from safetensors.numpy import load_file

from haqagen_jax.errors import InputError, located, reason
from haqagen_jax.interop import torch_checkpoint
from haqagen_jax.interop.torch_objects import Opaque, Parameter, Tensor, shown
from haqagen_jax.system.file_kind import NPZ, SAFETENSORS, TORCH, file_kind

StateDict = Mapping[str, Shaped[np.ndarray, "..."]]
Converted = TypeVar("Converted")

# Parts of names that wrap a network, and are no part of its own names.
_INSIDE = ("_modules", "_parameters", "_buffers")  # of a pickled network
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", *_INSIDE)
_AVERAGE = re.compile(r"(^|[._-])(ema|averaged?|swa|shadow)([._-]|$)|EMA", re.IGNORECASE)
_DEPTH = 64  # of dictionaries inside one another
_LONGEST = 200  # characters of a name; a file could repeat a longer one until the memory is full
_SHOWN = 3  # tensors that a message lists
_TRIED = 4  # places whose tensors are read
_OURS = "a model of haqagen is used as a whole: give its folder with --model"


class Found(NamedTuple):
    """Where a file has the tensors of a network.

    Attributes:
        place: Names that lead to them, joined by "."; empty for a file that holds nothing else.
        others: Places of which each has as many of the names.
    """

    place: str
    others: tuple[str, ...]


class _Leaf(NamedTuple):
    """A tensor in a file; `owner` is the same for those of one dictionary or pickled network."""

    parts: tuple[str, ...]
    owner: int
    value: Any


def convert(
    path: Path,
    wanted: Collection[str],
    converter: Callable[[StateDict], Converted],
    *,
    network: str,
    remedy: str,
) -> tuple[Converted, Found]:
    """Convert the tensors of a network that a file holds.

    Of several places in the file the one with the most wanted names is taken; of equals, a moving
    average of the weights (EMA); of equals, the first. One that does not convert is passed over.

    Args:
        path: Path of the file.
        wanted: Names of the network's tensors, or of most of them.
        converter: Function of named tensors; raises InputError where they do not fit.
        network: The network's name, for the message.
        remedy: What the user can do, for the message.

    Returns:
        What `converter` returns, and where the tensors were.

    Raises:
        InputError: No such file, another kind of file, damage, or no such network in it.
    """
    with _opened(path, remedy) as (name, tree, read):
        leaves = list(_leaves(tree))
        places = _places(leaves, wanted)
        ranked = sorted(places, key=lambda p: (-places[p], not _AVERAGE.search(".".join(p))))
        if not ranked or 2 * places[ranked[0]] < len(wanted):
            present = {name for name, _ in _named(leaves, ranked[0])} if ranked else set()
            lacks = next(name for name in wanted if name not in present)
            ours = any(leaf.parts[0].startswith("params/") for leaf in leaves)
            raise InputError(
                f"{path}: is {name} of another network than {network}: no tensor is named "
                f"{lacks}; {_holds(leaves, tree)}; {_OURS if ours else remedy}"
            )
        best = [p for p in ranked if places[p] == places[ranked[0]]]
        refusal = None
        for place in ranked[:_TRIED]:
            label = _label(place)
            try:
                with located(f"{path}, {label}" if label else path):
                    converted = converter(read(_members(leaves, place, wanted)))
            except InputError as error:
                refusal = refusal or error
                continue
            others = tuple(_label(other) for other in best if other != place)
            return converted, Found(label, others)
    raise refusal or AssertionError(places)


def describe(path: Path) -> str:
    """Say what a file is, and which tensors it holds.

    Args:
        path: Path of the file.

    Returns:
        Text that stands behind "is", with an article.

    Raises:
        InputError: No such file, or one that cannot be read.
    """
    kind = file_kind(path)
    if kind.content != TORCH and kind.content not in _READERS:
        return kind.name
    try:
        with _opened(path, "") as (name, tree, _):
            return f"{name}, and {_holds(list(_leaves(tree)), tree)}"
    except InputError:
        return f"{kind.name}, truncated or damaged"


def fitted(
    tensor: Shaped[np.ndarray, "..."], shape: tuple[int, ...]
) -> Shaped[np.ndarray, "..."] | None:
    """Give a tensor a shape that differs in axes of length 1 alone.

    Args:
        tensor: Of any shape.
        shape: The wanted one.

    Returns:
        The tensor in that shape; None if it does not fit, or if it is no vector and no number,
        whose axes may mean something else.
    """
    long, wanted = ([n for n in x if n != 1] for x in (tensor.shape, shape))
    if tensor.shape != shape and (long != wanted or len(long) > 1):
        return None
    return tensor.reshape(shape)


@contextlib.contextmanager
def _opened(path: Path, remedy: str) -> Iterator[tuple[str, Any, Callable[[Any], StateDict]]]:
    try:
        kind = file_kind(path)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    if kind.content == TORCH:
        with torch_checkpoint.opened(path) as (tree, read):
            yield kind.name, tree, read
        return
    if kind.content not in _READERS:
        raise InputError(f"{path}: is {kind.name}; {kind.remedy or remedy}")
    try:
        tree = _READERS[kind.content](path)
    except Exception as error:  # a damaged file can raise anything
        raise InputError(
            f"{path}: is {kind.name} that is truncated or damaged ({reason(error)}); download or "
            "copy it again"
        ) from None
    yield kind.name, tree, lambda tensors: dict(tensors)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


_READERS: dict[str, Callable[[Path], dict[str, np.ndarray]]] = {
    SAFETENSORS: load_file,
    NPZ: _read_npz,
}


def _label(place: tuple[str, ...]) -> str:
    return ".".join(part for part in place if part not in _WRAPPERS)


def _leaves(tree: Any) -> Iterator[_Leaf]:
    """List the tensors of a tree with their names, in the order of the file."""
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], Any, int, bool]] = [((), tree, 0, False)]
    while waiting:
        parts, node, owner, of_network = waiting.pop()
        node = node.tensor if isinstance(node, Parameter) else node
        if isinstance(node, Tensor) or (isinstance(node, np.ndarray) and _is_numeric(node)):
            yield _Leaf(parts, owner, node)
            continue
        inside = _inside(node)
        if not inside or id(node) in seen or len(parts) > _DEPTH:
            continue
        seen.add(id(node))
        if not of_network:
            owner, of_network = id(node), isinstance(node, Opaque) and _is_network(node)
        for key, value in list(inside.items())[::-1]:
            if isinstance(key, str | int) and len(name := str(key)) <= _LONGEST:
                waiting.append(((*parts, *name.split(".")), value, owner, of_network))


def _inside(node: Any) -> Mapping[Any, Any]:
    if isinstance(node, Opaque):
        if _is_network(node):
            return {name: node.state[name] for name in _INSIDE if name in node.state}
        return node.entries | node.state
    if isinstance(node, list | tuple) and not isinstance(node, Tensor):
        return dict(enumerate(node))
    return node if isinstance(node, dict) else {}


def _is_network(node: Opaque) -> bool:
    return "_modules" in node.state


def _is_numeric(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiub" or array.dtype == jnp.bfloat16


def _places(leaves: Sequence[_Leaf], wanted: Collection[str]) -> Counter[tuple[str, ...]]:
    """Count the wanted names behind each prefix, in the order of the file."""
    names = frozenset(wanted)
    places: Counter[tuple[str, ...]] = Counter()
    for leaf in leaves:
        kept = [i for i, part in enumerate(leaf.parts) if part not in _WRAPPERS]
        for first in range(len(kept)):
            if ".".join(leaf.parts[i] for i in kept[first:]) in names:
                place = leaf.parts[: kept[first]]
                while place and place[-1] in _INSIDE:
                    place = place[:-1]
                places[place] += 1
    return places


def _members(
    leaves: Sequence[_Leaf], place: tuple[str, ...], wanted: Collection[str]
) -> dict[str, Any]:
    """Take the tensors of a place under their names there.

    Those of a dictionary that has no wanted name are of something else, and are left out.
    """
    named = _named(leaves, place)
    names = frozenset(wanted)
    owners = {leaf.owner for name, leaf in named if name in names}
    members: dict[str, Any] = {}
    for name, leaf in named:
        if leaf.owner in owners:
            if name in members:
                raise InputError(f"holds tensor {name} twice, with and without a prefix")
            members[name] = leaf.value
    return members


def _named(leaves: Sequence[_Leaf], place: tuple[str, ...]) -> list[tuple[str, _Leaf]]:
    return [
        (".".join(part for part in leaf.parts[len(place) :] if part not in _WRAPPERS), leaf)
        for leaf in leaves
        if leaf.parts[: len(place)] == place
    ]


def _holds(leaves: Sequence[_Leaf], tree: Any) -> str:
    """Say which tensors there are; of a file without any, what else."""
    if leaves:
        telling = sorted(leaves, key=lambda leaf: len(leaf.value.shape) < 2)  # kernels, if any
        few = [f"{'.'.join(x.parts)} {tuple(x.value.shape)}" for x in telling[:_SHOWN]]
        return f"it has {len(leaves)} tensors such as {', '.join(few)}"
    what = {
        k: v.name if isinstance(v, Opaque) else type(v).__name__ for k, v in _inside(tree).items()
    }
    few = [f"{shown(key)} ({name})" for key, name in list(what.items())[:_SHOWN]]
    return f"it has no tensors{', but ' if few else ''}{', '.join(few)}"
