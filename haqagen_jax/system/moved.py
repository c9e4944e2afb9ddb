"""Modules of 0.1.0 that lie elsewhere now: importing the old name works, with a warning.

`install` has Python ask here for modules of the package that it does not find. The table has those
that the documentation, a configuration file or a launcher of that version named; it is removed one
version after the move. Not handled: submodules of the old names, and patching them, as the old
module has names of its own for the same objects.
"""

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "haqagen_jax"

# Old module: the new one.
MODULES = {
    "baselines": "models.baselines",
    "colorize_files": "batch.run",
    "data.synthetic": "synthetic",
    "files": "system.files",
    "image_sink": "images.sink",
    "image_source": "images.source",
    "imageio": "images.files",
    "inference.source": "images.stream",
    "network_input": "nir.network_input",
    "outcomes": "batch.report",
    "preprocess": "nir.preparation",
    "presets": "config.load",
    "selection": "batch.select",
    "settings_cli": "cli.settings",
    "train.checkpoint": "run.checkpoint",
    "train.frozen": "run.frozen",
    "train.loop": "run.loop",
    "train.texture": "run.texture",
}

# Old module: names in it that are spelled otherwise now, or lie in another module than the rest.
NAMES = {
    "baselines": {
        "Grey": "models.baselines.Gray",
        "TABLE_FILE": "api.TABLE_FILE",
        "load_table": "api.load_table",
    },
    "colorize_files": {"colour": "batch.run.color"},
    "data.synthetic": {
        "Depth": "data.rendered.Depth",
        "write_pairs": "data.rendered.write_pairs",
    },
}


class _Finder:
    """Finds and loads the modules of the table: a meta path finder and its loader in one."""

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        loader: Any = self
        return ModuleSpec(fullname, loader) if _old(fullname) in MODULES else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill an old module with the objects of the new one."""
        old = _old(module.__name__)
        new = f"{PACKAGE}.{MODULES[old]}"
        warnings.warn(
            f"{module.__name__} is {new} now; the old name is removed in the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        content = vars(importlib.import_module(new))
        module.__doc__ = content["__doc__"]
        vars(module).update({k: v for k, v in content.items() if not k.startswith("__")})
        for name, place in NAMES.get(old, {}).items():
            new, _, attribute = place.rpartition(".")
            value = getattr(importlib.import_module(f"{PACKAGE}.{new}"), attribute)
            setattr(module, name, value)


def _old(name: str) -> str:
    """Return the name of a module relative to the package; "" for one of another package."""
    return name.removeprefix(f"{PACKAGE}.") if name.startswith(f"{PACKAGE}.") else ""


def install() -> None:
    """Let the old names be imported; idempotent."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
