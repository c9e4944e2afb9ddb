"""A last checkpoint that is damaged or not finite: one line, and the way to go on."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.run.checkpoint import Checkpoints


def state(value):
    return {"step": jnp.int32(1), "params": {"w": jnp.full((2, 3), value)}}


def save(directory, *steps):
    with Checkpoints(directory, keep=3) as checkpoints:
        for step in steps:
            checkpoints.save(step, state(step / 3), settings={}, position={}, config={})


def restore(directory):
    with Checkpoints(directory, keep=3) as checkpoints:
        return checkpoints.restore(jax.eval_shape(lambda: state(0.0)), settings={})


def damage(directory):
    for path in directory.rglob("*"):
        if path.is_file() and path.name != "_CHECKPOINT_METADATA":
            path.write_bytes(b"")


def test_the_intact_one_before_is_named_and_gone_on_from(tmp_path):
    save(tmp_path, 1, 2, 3)
    damage(tmp_path / "3")
    damage(tmp_path / "2")
    with pytest.raises(InputError) as caught:
        restore(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/3: is damaged (")
    assert said.endswith(f"the same command goes on from {tmp_path}/1, which is intact")
    assert "\n" not in said
    assert len(said) < 400 + 3 * len(str(tmp_path))
    for step in ("2", "3"):
        shutil.rmtree(tmp_path / step)
    restored = restore(tmp_path)
    assert restored is not None
    np.testing.assert_array_equal(restored[0]["params"]["w"], np.float32(1 / 3) * np.ones((2, 3)))


def test_none_is_intact(tmp_path):
    save(tmp_path, 1)
    damage(tmp_path / "1")
    with pytest.raises(InputError, match="no other is intact, so remove them"):
        restore(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_saved(tmp_path, value):
    save(tmp_path, 1)
    with (
        pytest.raises(InputError, match=r"^step 2: params/w is not finite and is not saved"),
        Checkpoints(tmp_path, keep=3) as checkpoints,
    ):
        checkpoints.save(2, state(value), settings={}, position={}, config={})
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


HARMS = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("harm", HARMS)
def test_damage_to_any_file_is_one_line_or_none(tmp_path, harm, capfd):
    save(tmp_path / "whole", 1, 2)
    files = sorted(p for p in (tmp_path / "whole" / "2").rglob("*") if p.is_file())
    refused = 0
    for number, file in enumerate(files):
        copy = tmp_path / f"{harm}{number}"
        shutil.copytree(tmp_path / "whole", copy)
        HARMS[harm](copy / file.relative_to(tmp_path / "whole"))
        try:
            restored = restore(copy)
        except InputError as error:
            assert str(error).startswith(f"{copy}/2: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert restored is not None
            value = np.asarray(restored[0]["params"]["w"])
            assert (value == np.float32(2 / 3)).all() or (value == np.float32(1 / 3)).all()
    assert refused
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "_CHECKPOINT_METADATA" not in line] == []
