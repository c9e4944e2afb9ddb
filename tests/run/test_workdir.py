"""A work directory that cannot be one is refused before anything else, by both trainings."""

from pathlib import Path

import pytest

from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError
from haqagen_jax.run.loop import train
from haqagen_jax.run.texture import pretrain_texture
from haqagen_jax.run.workdir import require_workdir


@pytest.mark.parametrize("begin", [train, pretrain_texture])
@pytest.mark.parametrize("name", ["file", "file/inside", "x" * 300, "new/" + "x" * 300])
def test_an_impossible_one_is_refused_first(tmp_path, begin, name):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"cannot be made or written to \(.+\)") as caught:
        begin(["nowhere"], tmp_path / name, Config())
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["", "new", "new/below"])
def test_a_possible_one_is_left_as_it_was(tmp_path, name):
    require_workdir(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_relative_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_workdir(Path("w"))
    assert not any(tmp_path.iterdir())
