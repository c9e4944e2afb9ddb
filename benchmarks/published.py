"""ColorMamba's published generator in PyTorch, from a clone of its code, on a machine without CUDA.

Its scan is a CUDA extension; one of `torch_scan` takes its place. Packages that the code imports
and a forward pass does not need are replaced by empty ones; OpenCV and einops it needs.
"""

import sys
import types
from pathlib import Path
from typing import Any

import torch
import torch_scan
from torch import Tensor, nn

from haqagen_jax import paper

SCANS = {"loop": torch_scan.loop, "prefix": torch_scan.prefix}


def generator(clone: Path, scan: str) -> nn.Module:
    """Build the published network, at its published width, with random weights.

    Args:
        clone: Directory of the published code, which holds `models`.
        scan: "loop" or "prefix".

    Returns:
        The network in evaluation mode: (nir [b 1 h w], hsv [b 3 h w]) -> (hsv, rgb).
    """

    def selective_scan(
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor,
        delta_bias: Tensor,
        **_: Any,
    ) -> Tensor:
        delta = nn.functional.softplus(delta + delta_bias[:, None])
        return SCANS[scan](u, delta, A, B, C, D)

    def pair(x: Any) -> Any:
        return x if isinstance(x, tuple) else (x, x)

    _stand_in("mamba_ssm.ops.selective_scan_interface", selective_scan_fn=selective_scan)
    _stand_in("timm.models.layers", to_2tuple=pair, trunc_normal_=nn.init.trunc_normal_)
    _stand_in("timm.models.registry", register_model=lambda x: x)
    _stand_in("timm.models.vision_transformer")
    for name in ("thop", "torchsummary", "torchvision.transforms"):
        _stand_in(name)
    sys.path.insert(0, str(clone))
    from models.CycleGanNIR_net import all_Generator  # pyright: ignore

    return all_Generator(3, 3, ngf=paper.WIDTH).eval()


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    """Make random images: NIR (b, 1, h, w) and HSV (b, 3, h, w)."""
    side = paper.PATCH
    return torch.rand(batch, 1, side, side), torch.rand(batch, 3, side, side)


class _Nothing(nn.Identity):
    """Stand-in for what is imported, and is not called in a forward pass or changes nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()


def _stand_in(name: str, **members: Any) -> None:
    """Register an empty module, with these members, under the name of a package's module."""
    parts = name.split(".")
    for i in range(len(parts)):
        path = ".".join(parts[: i + 1])
        module = sys.modules.setdefault(path, types.ModuleType(path))
        module.__dict__.setdefault("__getattr__", lambda _: _Nothing)
    sys.modules[name].__dict__.update(members)
