"""The `haqagen dataset` commands: what they pass on, and how they fail."""

import sys
from types import ModuleType

import pytest

from haqagen_jax.cli import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.main(["dataset", *words])
    code = stopped.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def calls(monkeypatch):
    """The functions behind the commands, replaced by ones that note their arguments."""
    recorded = []

    def note(*args, **kwargs):
        recorded.append((args, kwargs))
        return 0

    functions = {"build": note, "report": "built {}".format, "inspect": note}
    for module in ("data.build", "data.inspection.survey"):
        stand_in = ModuleType(module)
        vars(stand_in).update(functions)
        monkeypatch.setitem(sys.modules, f"haqagen_jax.{module}", stand_in)
    return recorded


def test_dataset_list(capsys):
    assert run("list") == 0
    text = capsys.readouterr().out
    for name in ("vcip2020", "fanvid", "omsiv", "rgb2nir"):
        assert name in text


def test_dataset_build(calls, capsys):
    assert run("build", "synthetic", "--out", "o", "--count", "12", "--size", "48x64") == 0
    words = ("--raw", "r", "--out", "o", "--skip-corrupt", "--partial", "--overwrite")
    assert run("build", "omsiv", *words, "--seed", "5") == 0
    flags = ("skip_corrupt", "partial", "overwrite")
    rendered = {"count": 12, "size": (48, 64), "seed": 0}
    plain = {"count": 100, "size": (384, 512), "seed": 5}
    assert calls == [
        (("synthetic", "o"), {"raw": None, **dict.fromkeys(flags, False), **rendered}),
        (("omsiv", "o"), {"raw": "r", **dict.fromkeys(flags, True), **plain}),
    ]
    assert capsys.readouterr().out == "built 0\n" * 2


@pytest.mark.parametrize("size", ["12", "12x", "x12", "-1x5", "0x5", "axb", "3x4x5"])
def test_a_bad_size_is_one_line(calls, capsys, size):
    assert run("build", "synthetic", "--out", "o", f"--size={size}") == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"haqagen: --size {size}: must be HEIGHTxWIDTH")
    assert not calls


def test_dataset_inspect(calls):
    assert run("inspect", "d") == 0
    assert run("inspect", "d", "--out", "p.html") == 0
    assert calls == [(("d", "inspect.html"), {}), (("d", "p.html"), {})]
