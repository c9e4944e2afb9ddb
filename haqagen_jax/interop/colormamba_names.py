"""Names and axes of the tensors of ColorMamba's published generator, `all_Generator(3, 3)`.

"There" is the published state dict, "here" are our variables. A convolution is (out, in, h, w)
there and (h, w, in, out) here, a linear layer (out, in) and (in, out); both convolutions of a SPADE
norm are one here; the four directions of a scan are stacked with its channels there. Every
published tensor is kept here, used or not, so that the conversion back gives the same bits.
"""

import functools
import re
from typing import NamedTuple

import numpy as np

from haqagen_jax.artifact import flatten
from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models.factory import generator_shapes

BLOCK = "layers.0.residual_group.blocks.0"
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
    (r"\.block/", f".{BLOCK}."),
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
    """One tensor here, and those there that it is made of.

    Attributes:
        path: Path in the variables, joined by "/".
        names: Published names; several tensors are one here, stacked along their first axis.
        shape: Shape here.
        taps: (h, w, in) of the kernel that a singular vector `v` belongs to, else empty.
    """

    path: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    taps: tuple[int, ...] = ()

    @property
    def axes(self) -> tuple[int, ...] | None:
        """Permutation of the axes from there to here; None if only the shape may differ."""
        name = self.path.rpartition("/")[2]
        if name in ("x_proj", "dt_proj"):
            return (0, 2, 1)
        if name == "kernel" and len(self.shape) == 4:
            return (2, 3, 0, 1) if re.search(r"/up(_\d)?/", self.path) else (2, 3, 1, 0)
        return (1, 0) if name == "kernel" else None

    @property
    def published(self) -> tuple[int, ...]:
        """Shape there, of the tensors of all names stacked."""
        if self.axes is not None:
            return tuple(self.shape[self.axes.index(i)] for i in range(len(self.shape)))
        name = self.path.rpartition("/")[2]
        if name in ("A_log", "D"):
            return (self.shape[0] * self.shape[1], *self.shape[2:])
        return self.shape or (1,)

    def ours(self, tensors: list[np.ndarray]) -> np.ndarray:
        """Convert published tensors to ours.

        Args:
            tensors: One for each of `names`.

        Returns:
            A tensor of `shape`.
        """
        stacked = np.concatenate(tensors)
        if self.axes is not None:
            return np.ascontiguousarray(stacked.transpose(self.axes))
        if self.taps:
            h, w, inputs = self.taps
            stacked = stacked.reshape(inputs, h, w).transpose(1, 2, 0)
        return stacked.reshape(self.shape)

    def theirs(self, tensor: np.ndarray) -> list[np.ndarray]:
        """Convert a tensor of ours to published ones; the inverse of `ours`.

        Args:
            tensor: Of `shape`.

        Returns:
            One tensor for each of `names`.
        """
        if self.axes is not None:
            tensor = tensor.transpose(np.argsort(self.axes))
        if self.taps:
            tensor = tensor.reshape(self.taps).transpose(2, 0, 1)
        stacked = np.ascontiguousarray(tensor).reshape(self.published)
        return np.split(stacked, len(self.names))


@functools.cache
def leaves(model: ModelConfig) -> tuple[Leaf, ...]:
    """List the tensors of a generator.

    Args:
        model: Sizes of the generator.

    Returns:
        Every leaf of its variables.
    """
    shapes = flatten(generator_shapes(model))
    spectral = {path.rpartition("/")[0].partition("/")[2] for path in shapes if "spectral/" in path}
    listed = []
    for path, struct in shapes.items():
        module, _, leaf = path.partition("/")[2].rpartition("/")
        prefix = f"{module}/"
        for pattern, replacement in _RENAMED:
            prefix = re.sub(pattern, replacement, prefix)
        last = _LEAVES.get(leaf, leaf)
        if leaf == "kernel" and module in spectral:
            last = "weight_orig"
        parts = ("gamma", "beta") if prefix.endswith("gamma_beta.") else ("",)
        names = tuple(prefix.replace("gamma_beta", f"mlp_{part}") + last for part in parts)
        taps = shapes[f"params/{module}/kernel"].shape[:3] if leaf == "v" else ()
        listed.append(Leaf(path, names, struct.shape, taps))
    return tuple(listed)
