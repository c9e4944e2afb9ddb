"""Old names of modules: they warn once, and hold the objects of the new ones."""

import importlib
import subprocess
import sys

import pytest

from haqagen_jax.system.moved import MODULES, NAMES, install

PACKAGE = "haqagen_jax"


@pytest.fixture
def old_module(request, monkeypatch):
    """Forgets that the old module was imported."""
    name = f"{PACKAGE}.{request.param}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield name
    sys.modules.pop(name, None)


def public(module: object) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_")}


@pytest.mark.parametrize("old_module", MODULES, indirect=True)
def test_an_old_module_warns_once_and_holds_the_same(old_module):
    old = old_module.removeprefix(f"{PACKAGE}.")
    new = importlib.import_module(f"{PACKAGE}.{MODULES[old]}")
    with pytest.warns(DeprecationWarning, match="old name") as seen:
        module = importlib.import_module(old_module)
    assert [str(warning.message).partition(" now")[0] for warning in seen] == [
        f"{old_module} is {new.__name__}"
    ]
    assert importlib.import_module(old_module) is module  # and warns no more
    others = NAMES.get(old, {})
    assert public(module).keys() == public(new).keys() | others.keys()
    for name, value in public(new).items():
        assert getattr(module, name) is value
    for name, place in others.items():
        where, _, attribute = place.rpartition(".")
        expected = getattr(importlib.import_module(f"{PACKAGE}.{where}"), attribute)
        assert getattr(module, name) is expected


@pytest.mark.parametrize(
    "code",
    [
        "import haqagen_jax.presets; print(haqagen_jax.presets.load_config.__module__)",
        "from haqagen_jax.presets import load_config as load; print(load.__module__)",
        "from haqagen_jax import presets; print(presets.load_config.__module__)",
        "from haqagen_jax.presets import *; print(load_config.__module__)",
    ],
)
def test_every_way_to_import(code):
    """In a process of its own, where nothing is imported yet."""
    command = [sys.executable, "-W", "default", "-c", f"pass\n{code}\nimport sys"]
    command[-1] += "\nprint('jax' in sys.modules)"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "haqagen_jax.config.load\nFalse\n"
    assert done.stderr.startswith("<string>:2: DeprecationWarning: haqagen_jax.presets is ")
    assert done.stderr.count("Warning") == 1


def test_a_module_that_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        importlib.import_module(f"{PACKAGE}.nothing")


def test_there_is_one_finder():
    before = list(sys.meta_path)
    install()
    assert sys.meta_path == before
