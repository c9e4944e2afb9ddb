"""The `haqagen weights` commands: what they say, and how they fail."""

from pathlib import Path

import pytest

from haqagen_jax import weights
from haqagen_jax.cli import main

HEADS = Path(__file__).parents[1] / "golden" / "lpips" / "alex.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path))
    return tmp_path / "weights"


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main.main(["weights", *words])
    code = stopped.value.code
    assert isinstance(code, int)
    return code


def test_list_says_what_is_there(capsys, cache):
    assert run("list") == 0
    text = capsys.readouterr().out
    assert "yes" not in text
    for word in ("vgg19", "574.673", "BSD-3-Clause", "ImageNet", "vgg19-dcbb9e9d.pth", str(cache)):
        assert word in text
    assert run("import", "lpips-alex", str(HEADS)) == 0
    out = capsys.readouterr().out
    assert out == f"lpips-alex: {weights.path('lpips-alex')} (BSD-2-Clause)\n"
    assert run("list") == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "yes" in line)
    assert line.startswith("lpips-alex")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "lpips-vgg", str(HEADS)), "has SHA-256 df73285e"),
        (("import", "vgg", str(HEADS)), "weights = 'vgg': must be one of"),
        (("download", "vgg"), "weights = 'vgg': must be one of"),
        (("download", "all", "vgg16"), "weights = 'all': must be one of"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, words, message, cache):
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("haqagen: ")
    assert err.count("\n") == 1
    assert message in err
    assert not cache.exists()


def test_download_passes_on_what_it_was_told(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("haqagen_jax.weights.download.download_all", lambda n: asked.append(n) or 1)
    assert run("download", "vgg19", "alexnet") == 1
    assert asked == [["vgg19", "alexnet"]]
