"""Published weights: what exists, and what the cache directory holds.

from haqagen_jax import metrics, weights
variables = weights.lpips_variables("alex")
metrics.lpips(variables, prediction, target, backbone="alex")

Names are imported when they are first used: `weights.catalog` alone loads no jax.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haqagen_jax.weights.store import available, lacking, load, lpips_variables, path, remedy

__all__ = ["available", "lacking", "load", "lpips_variables", "path", "remedy"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.store"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
