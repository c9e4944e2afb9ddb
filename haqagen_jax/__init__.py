"""HAQAGen in JAX: natural color from near-infrared images.

    import haqagen_jax
    model = haqagen_jax.load()
    rgb = model.colorize(nir)

Names are imported when they are first used, so that `import haqagen_jax` itself is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from haqagen_jax.system import moved
from haqagen_jax.version import __version__

if TYPE_CHECKING:
    from haqagen_jax import losses, metrics, ops, weights
    from haqagen_jax.api import colorize, load
    from haqagen_jax.errors import InputError
    from haqagen_jax.inference.colorizer import Colorizer
    from haqagen_jax.inference.settings import Settings

__all__ = [
    "Colorizer",
    "InputError",
    "Settings",
    "__version__",
    "colorize",
    "load",
    "losses",
    "metrics",
    "ops",
    "weights",
]

_MODULE_OF = {
    "Colorizer": "haqagen_jax.inference.colorizer",
    "InputError": "haqagen_jax.errors",
    "Settings": "haqagen_jax.inference.settings",
    "colorize": "haqagen_jax.api",
    "load": "haqagen_jax.api",
}
_SUBMODULES = ("losses", "metrics", "ops", "weights")

moved.install()


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
