"""Weights of VGG-19 for the perceptual loss, from a torchvision state dict.

Names there are `features.N.weight` (out, in, h, w) and `features.N.bias`, here `convS_C/kernel`
(h, w, in, out) and `convS_C/bias`; all become float32. Layers behind conv4_2 and the classifier are
ignored. Nothing is downloaded: the user brings the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file

from haqagen_jax.errors import InputError, located, reason
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.models.vgg import STAGES

_REMEDY = "give the weights of torchvision's vgg19 (ImageNet, without batch norm)"


def load_vgg(path: str | Path) -> dict[str, Any]:
    """Read the parameters of `haqagen_jax.models.vgg.Vgg19`.

    Args:
      path: a torchvision VGG-19 checkpoint (`.pth`, `.pt`), or a `.safetensors` file with the same
        names.

    Returns:
      Parameters, float32 numpy arrays.

    Raises:
      InputError: no such file, not a checkpoint, or tensors of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_REMEDY}")
    if path.suffix.lower() != ".safetensors":
        state_dict = read_state_dict(path)
    else:
        try:
            state_dict = load_file(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: cannot be read ({reason(error)}); {_REMEDY}") from None
    with located(path):
        return vgg_params(state_dict)


def vgg_params(state_dict: Mapping[str, Shaped[np.ndarray, "..."]]) -> dict[str, Any]:
    """Convert torchvision's VGG-19 tensors.

    Args:
      state_dict: `features.N.weight` and `features.N.bias`.

    Returns:
      Parameters of `haqagen_jax.models.vgg.Vgg19`, float32 numpy arrays.

    Raises:
      InputError: the first tensor that is missing, of another shape, or that VGG-19 does not have.
    """
    shapes = _expected()
    params: dict[str, Any] = {}
    for index, (layer, shape) in shapes.items():
        weight = _take(state_dict, f"features.{index}.weight", shape)
        bias = _take(state_dict, f"features.{index}.bias", shape[:1])
        params[layer] = {"kernel": np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), "bias": bias}
    last = max(shapes)
    wanted = {f"features.{i}.{part}" for i in shapes for part in ("weight", "bias")}
    for name in state_dict:
        if name not in wanted and not _ignored(name, last):
            raise InputError(f"tensor {name}: is not part of VGG-19; {_REMEDY}")
    return params


def _expected() -> dict[int, tuple[str, tuple[int, ...]]]:
    """Index in torchvision's layer list -> our name and the weight's shape there."""
    expected: dict[int, tuple[str, tuple[int, ...]]] = {}
    index, inputs = 0, 3
    for stage in STAGES:
        for name, outputs in stage:
            expected[index] = (name, (outputs, inputs, 3, 3))
            index, inputs = index + 2, outputs  # a ReLU follows every convolution
        index += 1  # the pooling
    return expected


def _take(state_dict: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in state_dict:
        raise InputError(f"tensor {name}: is missing; {_REMEDY}")
    tensor = state_dict[name]
    if tensor.shape != shape:
        raise InputError(f"tensor {name}: has shape {tensor.shape}, not {shape}; {_REMEDY}")
    return np.asarray(tensor, np.float32)


def _ignored(name: str, last: int) -> bool:
    """Whether VGG-19 has the tensor, behind the layer we stop at."""
    head, _, rest = name.partition(".")
    index = rest.partition(".")[0]
    return head == "classifier" or (head == "features" and index.isdigit() and int(index) > last)
