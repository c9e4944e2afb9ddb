"""Names and layouts of ColorMamba's published generator, `all_Generator(3, 3)`, there and here.

A convolution is (out, in, h, w) there and (h, w, in, out) here, a linear layer (out, in) and
(in, out); both convolutions of a SPADE norm are one here; the four directions of a scan are stacked
with its channels there. Every published tensor has its place here, read or not, so that the way
back gives the same bits.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Shaped

from haqagen_jax.artifact import flatten, unflatten
from haqagen_jax.config import Config, DataConfig, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.models.factory import init_generator

StateDict = Mapping[str, Shaped[np.ndarray, "..."]]
COUNTER = "num_batches_tracked"  # of each batch norm there: an integer that changes nothing
_REMEDY = "give torch.save(netG.state_dict(), path) of ColorMamba's all_Generator(3, 3)"
_SHOWN = 8  # names in a message

_BLOCK = "layers.0.residual_group.blocks.0"
# Path here, without the collection -> name there; applied one after another.
_RENAMED = [
    (r"^rgb_branch/", "netG_A."),
    (r"^netG_A\.down_1/", "netG_A.coder_1.0."),
    (r"^netG_A\.down_8/", "netG_A.innermost_8.1."),
    (r"^netG_A\.down_(\d)/", r"netG_A.coder_\1.1."),
    (r"^netG_A\.group_1/", "netG_A.coder_1.1."),
    (r"^netG_A\.group_(\d)/", r"netG_A.coder_\1.2."),
    (r"^netG_A\.decoder_8/up/", "netG_A.innermost_8.3."),
    (r"^netG_A\.decoder_1/up/", "netG_A.block.1."),
    (r"^netG_A\.decoder_([67])/up/", r"netG_A.decoder_\1.1."),
    (r"^netG_A\.decoder_(\d)/up/", r"netG_A.decoder_\1.block.1."),
    (r"^netG_A\.decoder_(\d)/spade/", r"netG_A.decoder_\1.SPADE_color."),
    (r"^netG_A\.fin_out/", "netG_A.fin_out.0."),
    (r"^netG_A\.cross_block/skip/", "netG_A.cross_block.conv_skip."),
    (r"^netG_A\.cross_block/(query|key|value)/", r"netG_A.cross_block.\1_conv."),
    (r"(cross_block\.\w+\.)conv_0/", r"\g<1>0."),
    (r"(cross_block\.\w+\.)norm/", r"\g<1>2."),
    (r"(cross_block\.\w+\.)conv_1/", r"\g<1>3."),
    (r"^hsv_branch/", "netG_C."),
    (r"^netG_C\.encoder_(\d)/", r"netG_C.layer\1_conv."),
    (r"^netG_C\.edge_encoder_(\d)/", r"netG_C.layer\1_conv_edge."),
    *((rf"^netG_C\.decoder_{k}/", f"netG_C.layer{10 - k}_conv.") for k in range(1, 5)),
    *((rf"^netG_C\.up_{k}/", f"netG_C.deconv{5 - k}.conv1.") for k in range(1, 5)),
    (r"^netG_C\.head/", "netG_C.layer10_conv."),
    (r"^(netG_C\.layer\w+\.)group/", r"\1mamba."),
    (r"^(netG_C\.layer\w+\.)conv_0/", r"\1conv1."),
    (r"^(netG_C\.layer\w+\.)conv_1/", r"\1conv2."),
    (r"\.block/", f".{_BLOCK}."),
    (r"\.squeeze/", ".conv.0."),
    (r"\.expand_conv/", ".conv.2."),
    (r"/attn/window/", "/attn/"),
    (r"/(fc\d)/", r"/mlp/\1/"),
    (r"/shared/", "/mlp_shared.0/"),
    (r"/", "."),
]
_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
    "x_proj": "x_proj_weight",
    "dt_proj": "dt_projs_weight",
    "dt_bias": "dt_projs_bias",
    "A_log": "A_logs",
    "D": "Ds",
    "u": "weight_u",
    "v": "weight_v",
}


class Leaf(NamedTuple):
    """One tensor of ours.

    Attributes:
        path: here, joined by "/".
        names: there; several are one here, stacked along their first axis.
        shape: here.
        taps: (h, w, in) of the kernel that a singular vector `v` belongs to, else empty.
    """

    path: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    taps: tuple[int, ...] = ()

    @property
    def axes(self) -> tuple[int, ...] | None:
        """How the axes there are ordered here; None: as they are, perhaps of another shape."""
        name = self.path.rpartition("/")[2]
        if name in ("x_proj", "dt_proj"):
            return (0, 2, 1)
        if name == "kernel" and len(self.shape) == 4:
            return (2, 3, 0, 1) if re.search(r"/up(_\d)?/", self.path) else (2, 3, 1, 0)
        return (1, 0) if name == "kernel" else None

    @property
    def published(self) -> tuple[int, ...]:
        """The shape there, of all names together."""
        if self.axes is not None:
            return tuple(self.shape[self.axes.index(i)] for i in range(len(self.shape)))
        name = self.path.rpartition("/")[2]
        if name in ("A_log", "D"):
            return (self.shape[0] * self.shape[1], *self.shape[2:])
        return self.shape or (1,)

    def ours(self, tensors: list[np.ndarray]) -> np.ndarray:
        """Brings published tensors here."""
        whole = np.concatenate(tensors)
        if self.axes is not None:
            return np.ascontiguousarray(whole.transpose(self.axes))
        if self.taps:
            h, w, inputs = self.taps
            whole = whole.reshape(inputs, h, w).transpose(1, 2, 0)
        return whole.reshape(self.shape)

    def theirs(self, tensor: np.ndarray) -> list[np.ndarray]:
        """Brings a tensor of ours there."""
        if self.axes is not None:
            tensor = tensor.transpose(np.argsort(self.axes))
        if self.taps:
            tensor = tensor.reshape(self.taps).transpose(2, 0, 1)
        whole = np.ascontiguousarray(tensor).reshape(self.published)
        return np.split(whole, len(self.names))


def shapes(model: ModelConfig) -> dict[str, Any]:
    """Returns the shapes of a generator's variables, for its sizes."""
    return jax.eval_shape(lambda key: init_generator(key, model), jax.random.key(0))


def leaves(model: ModelConfig) -> list[Leaf]:
    """Lists the tensors of a generator.

    Args:
        model: its sizes.
    """
    likes = flatten(shapes(model))
    spectral = {path.rpartition("/")[0].partition("/")[2] for path in likes if "spectral/" in path}
    found = []
    for path, like in likes.items():
        module, _, leaf = path.partition("/")[2].rpartition("/")
        place = f"{module}/"
        for pattern, name in _RENAMED:
            place = re.sub(pattern, name, place)
        last = _LEAVES.get(leaf, leaf)
        if leaf == "kernel" and module in spectral:
            last = "weight_orig"
        parts = ("gamma", "beta") if place.endswith("gamma_beta.") else ("",)
        names = tuple(place.replace("gamma_beta", f"mlp_{part}") + last for part in parts)
        taps = likes[f"params/{module}/kernel"].shape[:3] if leaf == "v" else ()
        found.append(Leaf(path, names, like.shape, taps))
    return found


def variables(state_dict: StateDict) -> tuple[Config, dict[str, Any], dict[str, int]]:
    """Converts published tensors.

    Args:
        state_dict: of `all_Generator(3, 3)` at any width, perhaps with "module." before each name;
            floats of any precision. Singular vectors of the spectral norms may be missing, and so
            may the norms themselves, where they were made part of the weights.

    Returns:
        The configuration that the network is built from, its variables as float32 numpy arrays, and
        the counters of its batch norms by name.

    Raises:
        InputError: tensors that are missing, left over or of another shape.
    """
    tensors = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    if len(tensors) < len(state_dict):
        raise InputError(f'holds tensors with and without "module." before one name; {_REMEDY}')
    model = _sizes(tensors)
    counters = {n: int(tensors.pop(n)) for n in list(tensors) if n.endswith(f".{COUNTER}")}
    places = leaves(model)
    tensors |= _spectral(tensors, places)
    wanted = {name for leaf in places for name in leaf.names}
    _compare(wanted, set(tensors))
    norms = {name.removesuffix("running_mean") for name in wanted if name.endswith("running_mean")}
    strange = [name for name in counters if name.removesuffix(COUNTER) not in norms]
    _compare(set(), set(strange))
    found = {}
    for leaf in places:
        shape = (leaf.published[0] // len(leaf.names), *leaf.published[1:])
        for name in leaf.names:
            if tensors[name].shape != shape:
                raise InputError(
                    f"tensor {name}: has shape {tensors[name].shape}, not {shape} as the others "
                    f"say; {_REMEDY}"
                )
        found[leaf.path] = leaf.ours([np.asarray(tensors[name], np.float32) for name in leaf.names])
    data = DataConfig(preparation="colormamba", equalize=False)
    return Config(model=model, data=data), unflatten(found), counters


def state_dict(
    model: ModelConfig, tree: Mapping[str, Any], counters: Mapping[str, int]
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Converts variables back; the inverse of `variables`.

    Args:
        model: the generator's sizes.
        tree: its variables.
        counters: of batch norms, by name; 0 where none is given.

    Returns:
        Tensors under their published names, float32 but for the counters, int64.
    """
    flat = flatten(tree)
    found: dict[str, np.ndarray] = {}
    for leaf in leaves(model):
        parts = leaf.theirs(np.asarray(flat[leaf.path], np.float32))
        found |= dict(zip(leaf.names, parts, strict=True))
    for name in list(found):
        if name.endswith(".running_var"):
            counter = name.replace("running_var", COUNTER)
            found[counter] = np.array(counters.get(counter, 0), np.int64)
    return found


def _sizes(tensors: StateDict) -> ModelConfig:
    """Reads the network's sizes off a few tensors."""
    scan = f"netG_A.coder_1.1.{_BLOCK}.self_attention"

    def size(name: str, axis: int, axes: int) -> int:
        if name not in tensors:
            raise InputError(f"is no ColorMamba generator: tensor {name} is missing; {_REMEDY}")
        if tensors[name].ndim != axes:
            raise InputError(f"tensor {name}: has {tensors[name].ndim} axes, not {axes}; {_REMEDY}")
        return tensors[name].shape[axis]

    width = size("netG_A.coder_1.0.weight", 0, 4)
    return ModelConfig(
        architecture="colormamba",
        width=width,
        d_state=size(f"{scan}.A_logs", 1, 2),
        expand=size(f"{scan}.conv2d.weight", 0, 4) // max(width, 1),
        spade_hidden=size("netG_A.decoder_5.SPADE_color.norm_0.mlp_shared.0.weight", 0, 4),
        hsv_width=size("netG_C.layer1_conv.conv1.weight", 0, 4),
    )


def _spectral(tensors: dict[str, np.ndarray], places: list[Leaf]) -> dict[str, np.ndarray]:
    """What spectral norms lack: singular vectors, and kernels that are stored normalised."""
    found: dict[str, np.ndarray] = {}
    for leaf in places:
        (first, *_) = leaf.names
        if not first.endswith(".weight_orig"):
            continue
        place = first.removesuffix("_orig")
        normalised = first not in tensors and place in tensors
        kernel = tensors.pop(place) if normalised else tensors.get(first)
        if kernel is None or kernel.ndim != 4:
            continue  # which is reported with the others
        matrix = np.asarray(kernel, np.float64).reshape(len(kernel), -1)
        u, v = tensors.get(f"{place}_u"), tensors.get(f"{place}_v")
        if u is None:
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
            u, v = left[:, 0], right[0]
            # A kernel that was divided before is divided by 1 from now on.
            u = u / values[0] if normalised else u
        elif v is None:
            v = u @ matrix
            v = v / np.linalg.norm(v)
        found |= {first: kernel, f"{place}_u": u, f"{place}_v": v}
    return found


def _compare(wanted: set[str], found: set[str]) -> None:
    problems = []
    for names, what in ((wanted - found, "missing"), (found - wanted, "left over")):
        if names:
            shown = ", ".join(sorted(names)[:_SHOWN])
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            problems.append(f"{len(names)} tensors {what} ({shown}{more})")
    if problems:
        raise InputError(f"is no ColorMamba generator: {', '.join(problems)}; {_REMEDY}")
