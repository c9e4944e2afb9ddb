"""Convert ColorMamba's published tensors to variables, and back; see `colormamba_names`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from haqagen_jax.artifact import flatten, unflatten
from haqagen_jax.config.schema import Config, DataConfig, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.interop.colormamba_names import BLOCK, Leaf, leaves
from haqagen_jax.interop.state_dicts import fitted

StateDict = Mapping[str, Shaped[np.ndarray, "..."]]
COUNTER = "num_batches_tracked"  # of each batch norm there: an integer that changes nothing
REMEDY = "give torch.save(netG.state_dict(), path) of ColorMamba's all_Generator(3, 3)"
_FIRST = "netG_A.coder_1.0.weight"
_SHOWN = 8  # names that a message lists


def variables(state_dict: StateDict) -> tuple[Config, dict[str, Any], dict[str, int]]:
    """Convert published tensors to the variables of a generator.

    Args:
        state_dict: State dict of `all_Generator(3, 3)` at any width, perhaps with "module." before
            each name; floats of any precision. Singular vectors of the spectral norms may be
            missing, and so may the norms themselves, where they were made part of the weights.

    Returns:
        The configuration that the network is built from, its variables as float32 NumPy arrays, and
        the counters of its batch norms by name.

    Raises:
        InputError: Tensors that are missing, left over or of another shape.
    """
    tensors = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    if len(tensors) < len(state_dict):
        raise InputError(f'holds tensors with and without "module." before one name; {REMEDY}')
    model = _sizes(tensors)
    counters = {n: _count(n, tensors.pop(n)) for n in list(tensors) if n.endswith(f".{COUNTER}")}
    _require_finite(tensors)
    expected = leaves(model)
    tensors |= _spectral(tensors, expected)
    names = {name for leaf in expected for name in leaf.names}
    _compare(names, set(tensors))
    norms = {name.removesuffix("running_mean") for name in names if name.endswith("running_mean")}
    _compare(set(), {name for name in counters if name.removesuffix(COUNTER) not in norms})
    flat: dict[str, np.ndarray] = {}
    for leaf in expected:
        shape = (leaf.published[0] // len(leaf.names), *leaf.published[1:])
        for name in leaf.names:
            if (tensor := fitted(tensors[name], shape)) is not None:
                tensors[name] = tensor
            else:
                raise InputError(
                    f"tensor {name}: has shape {tensors[name].shape}, not {shape} as the others "
                    f"say; {REMEDY}"
                )
        flat[leaf.path] = leaf.ours([np.asarray(tensors[name], np.float32) for name in leaf.names])
    data = DataConfig(preparation="colormamba", equalize=False)
    return Config(model=model, data=data), unflatten(flat), counters


def state_dict(
    model: ModelConfig, tree: Mapping[str, Any], counters: Mapping[str, int]
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Convert variables to published tensors; the inverse of `variables`, bit for bit.

    Args:
        model: Sizes of the generator.
        tree: Variables of the generator.
        counters: Counters of batch norms by name; 0 where none is given.

    Returns:
        Tensors under their published names, float32 but for the counters, int64.
    """
    flat = flatten(tree)
    tensors: dict[str, np.ndarray] = {}
    for leaf in leaves(model):
        parts = leaf.theirs(np.asarray(flat[leaf.path], np.float32))
        tensors |= dict(zip(leaf.names, parts, strict=True))
    for name in list(tensors):
        if name.endswith(".running_var"):
            counter = name.replace("running_var", COUNTER)
            tensors[counter] = np.array(counters.get(counter, 0), np.int64)
    return tensors


def names() -> list[str]:
    """List the tensors of the published generator, which are the same at any width.

    Returns:
        Their names, that of the first layer first, without the counters of batch norms.
    """
    smallest = ModelConfig(architecture="colormamba", width=8, d_state=1, spade_hidden=8)
    others = [name for leaf in leaves(smallest) for name in leaf.names if name != _FIRST]
    return [_FIRST, *others]


def _count(name: str, tensor: Shaped[np.ndarray, "..."]) -> int:
    value = fitted(tensor, ())
    if value is None:
        raise InputError(f"tensor {name}: is no number but of shape {tensor.shape}; {REMEDY}")
    if not np.isfinite(value):
        raise InputError(f"tensor {name}: is {value}, not a count; {REMEDY}")
    return int(value)


def _require_finite(tensors: StateDict) -> None:
    for name, tensor in tensors.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(np.asarray(tensor, np.float32)).all()
        if not finite:
            raise InputError(f"tensor {name}: has values that are not finite; {REMEDY}")


def _sizes(tensors: StateDict) -> ModelConfig:
    """Read the network's sizes off the shapes of a few tensors."""
    scan = f"netG_A.coder_1.1.{BLOCK}.self_attention"

    def size(name: str, axis: int, axes: int) -> int:
        if name not in tensors:
            raise InputError(f"is no ColorMamba generator: tensor {name} is missing; {REMEDY}")
        if tensors[name].ndim != axes:
            raise InputError(f"tensor {name}: has {tensors[name].ndim} axes, not {axes}; {REMEDY}")
        return tensors[name].shape[axis]

    width = size(_FIRST, 0, 4)
    return ModelConfig(
        architecture="colormamba",
        width=width,
        d_state=size(f"{scan}.A_logs", 1, 2),
        expand=size(f"{scan}.conv2d.weight", 0, 4) // max(width, 1),
        spade_hidden=size("netG_A.decoder_5.SPADE_color.norm_0.mlp_shared.0.weight", 0, 4),
        hsv_width=size("netG_C.layer1_conv.conv1.weight", 0, 4),
    )


def _spectral(tensors: dict[str, np.ndarray], expected: Sequence[Leaf]) -> dict[str, np.ndarray]:
    """Complete spectral norms: singular vectors, and kernels that are stored normalized.

    A normalized kernel is removed from `tensors`, because it is returned under its original name.
    """
    added: dict[str, np.ndarray] = {}
    for leaf in expected:
        (first, *_) = leaf.names
        if not first.endswith(".weight_orig"):
            continue
        weight = first.removesuffix("_orig")
        normalized = first not in tensors and weight in tensors
        kernel = tensors.pop(weight) if normalized else tensors.get(first)
        u, v = tensors.get(f"{weight}_u"), tensors.get(f"{weight}_v")
        if kernel is None or kernel.shape != leaf.published:
            continue  # `variables` reports it with the others
        added[first] = kernel
        if u is not None and (v is not None or u.shape != (len(kernel),)):
            continue
        matrix = np.asarray(kernel, np.float64).reshape(len(kernel), -1)
        if u is None:
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
            u, v = left[:, 0], right[0]
            # A normalized kernel must not be divided again: this u makes its spectral norm 1.
            u = u / values[0] if normalized and values[0] > 0 else u
        else:
            v = u @ matrix
            v = v / max(np.linalg.norm(v), np.finfo(np.float64).tiny)
        added |= {f"{weight}_u": u, f"{weight}_v": v}
    return added


def _compare(expected: set[str], present: set[str]) -> None:
    """Refuse names that are missing or left over."""
    problems = []
    for names, problem in ((expected - present, "missing"), (present - expected, "left over")):
        if names:
            shown = ", ".join(sorted(names)[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            problems.append(f"{len(names)} tensors {problem} ({shown}{more})")
    if problems:
        raise InputError(f"is no ColorMamba generator: {', '.join(problems)}; {REMEDY}")
