"""Convert torchvision's weights of AlexNet, VGG-16 and VGG-19, and the heads of LPIPS.

A convolution is `features.N.weight` (out, in, h, w) and `features.N.bias` there, `NAME/kernel`
(h, w, in, out) and `NAME/bias` here; the head of a layer is `linN.model.1.weight` (1, c, 1, 1)
there, `linN` (c,) here; all become float32. Layers behind the last one that we use, and the
classifier, are ignored. Nothing is downloaded here: see `haqagen_jax.weights`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError
from haqagen_jax.interop.state_dicts import convert, fitted
from haqagen_jax.models.imagenet import Stages
from haqagen_jax.models.lpips import ALEXNET, BACKBONES
from haqagen_jax.models.vgg import VGG16, VGG19

StateDict = Mapping[str, Shaped[np.ndarray, "..."]]
_NETWORKS: dict[str, Stages] = {"alexnet": ALEXNET, "vgg16": VGG16, "vgg19": VGG19}
_HEADS = {"lpips-alex": "alex", "lpips-vgg": "vgg"}


def load_weights(name: str, path: str | Path) -> dict[str, Any]:
    """Read the parameters of a network or of its LPIPS heads from a file.

    Args:
        name: "alexnet", "vgg16" or "vgg19"; "lpips-alex" or "lpips-vgg" for the heads.
        path: The published checkpoint, or another file with the same tensors in it; see
            `haqagen_jax.interop.state_dicts.convert`.

    Returns:
        Parameters, float32 NumPy arrays.

    Raises:
        InputError: No such file, not a checkpoint, or tensors of another network.
    """
    return convert(
        Path(path),
        _names(name),
        lambda state_dict: params(name, state_dict),
        network=name,
        remedy=_remedy(name),
    )[0]


def params(name: str, state_dict: StateDict) -> dict[str, Any]:
    """Convert published tensors to parameters.

    Args:
        name: Name of the weights, as for `load_weights`.
        state_dict: Tensors under their published names.

    Returns:
        Parameters, float32 NumPy arrays.

    Raises:
        InputError: The first tensor that is missing, of another shape, or not of that network.
    """
    if name in _HEADS:
        return _heads(name, state_dict)
    layers = _layers(_NETWORKS[name])
    converted: dict[str, Any] = {}
    for index, (layer, shape) in layers.items():
        weight = _take(name, state_dict, f"features.{index}.weight", shape)
        bias = _take(name, state_dict, f"features.{index}.bias", shape[:1])
        kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        converted[layer] = {"kernel": kernel, "bias": bias}
    used, last = set(_names(name)), max(layers)
    _refuse_others(name, [t for t in state_dict if t not in used and not _ignored(t, last)])
    return converted


def _names(name: str) -> list[str]:
    if name in _HEADS:
        return list(_head_shapes(name))
    layers = _layers(_NETWORKS[name])
    return [f"features.{index}.{part}" for index in layers for part in ("weight", "bias")]


def _head_shapes(name: str) -> dict[str, tuple[int, ...]]:
    widths = enumerate(BACKBONES[_HEADS[name]].channels)
    return {f"lin{index}.model.1.weight": (1, channels, 1, 1) for index, channels in widths}


def _heads(name: str, state_dict: StateDict) -> dict[str, Any]:
    shapes = _head_shapes(name)
    heads = {tensor: _take(name, state_dict, tensor, shape) for tensor, shape in shapes.items()}
    _refuse_others(name, [tensor for tensor in state_dict if tensor not in shapes])
    return {tensor.partition(".")[0]: weight.reshape(-1) for tensor, weight in heads.items()}


def _layers(stages: Stages) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Map the index in torchvision's layer list to our name and the weight's shape there."""
    layers: dict[int, tuple[str, tuple[int, ...]]] = {}
    index, inputs = 0, 3
    for stage in stages:
        for layer in stage:
            layers[index] = (layer.name, (layer.channels, inputs, layer.side, layer.side))
            index, inputs = index + 2, layer.channels  # a ReLU follows every convolution
        index += 1  # the pooling
    return layers


def _take(
    name: str, state_dict: StateDict, tensor: str, shape: tuple[int, ...]
) -> Shaped[np.ndarray, "..."]:
    if tensor not in state_dict:
        raise InputError(f"tensor {tensor}: is missing; {_remedy(name)}")
    weight = fitted(state_dict[tensor], shape)
    if weight is None:
        given = state_dict[tensor].shape
        raise InputError(f"tensor {tensor}: has shape {given}, not {shape}; {_remedy(name)}")
    with np.errstate(over="ignore"):  # reported below
        converted = np.asarray(weight, np.float32)
    if not np.isfinite(converted).all():
        raise InputError(f"tensor {tensor}: has values that are not finite; {_remedy(name)}")
    return converted


def _refuse_others(name: str, others: list[str]) -> None:
    if others:
        raise InputError(f"tensor {others[0]}: is not part of {name}; {_remedy(name)}")


def _ignored(tensor: str, last: int) -> bool:
    """Say whether a tensor belongs to a layer of the network behind the last one that we use."""
    head, _, rest = tensor.partition(".")
    index = rest.partition(".")[0]
    return head == "classifier" or (head == "features" and index.isdigit() and int(index) > last)


def _remedy(name: str) -> str:
    if name in _HEADS:
        return f"give the heads of LPIPS 0.1 for {_HEADS[name]}"
    return f"give the weights of torchvision's {name} (ImageNet, without batch norm)"
