"""Checkpoints: everything comes back as it was, the latest stays, other settings are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from haqagen_jax.errors import InputError
from haqagen_jax.run.checkpoint import Checkpoints, is_started

SETTINGS = {"optim.b1": 0.5, "data.nir_percentiles": [0.0, 100.0], "train.seed": 0}


def state(value: float) -> dict:
    return {"step": jnp.int32(value), "params": {"w": jnp.full((2, 3), value / 3)}, "empty": ()}


def template():
    return jax.eval_shape(lambda: state(0.0))


def save(directory, *steps, **options):
    with Checkpoints(directory, **options) as checkpoints:
        for step in steps:
            position = {"batches": {"next": step}, "best_step": None}
            checkpoints.save(step, state(step), settings=SETTINGS, position=position, config={})


def test_nothing_saved(tmp_path):
    assert not is_started(tmp_path / "new")
    with Checkpoints(tmp_path / "new") as checkpoints:
        assert checkpoints.restore(template(), settings=SETTINGS) is None
    assert not is_started(tmp_path / "new")


def test_the_latest_comes_back_bit_by_bit(tmp_path):
    save(tmp_path, 1, 7, keep=2)
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        restored = checkpoints.restore(template(), settings=SETTINGS)
    assert restored is not None
    got, position = restored
    jax.tree.map(np.testing.assert_array_equal, got, state(7))
    assert jax.tree.map(lambda x: x.dtype, got) == jax.tree.map(lambda x: x.dtype, state(7))
    assert position == {"batches": {"next": 7}, "best_step": None}


def test_only_the_latest_stay(tmp_path):
    save(tmp_path, 1, 2, 3, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3"]


@pytest.mark.multidevice
def test_it_comes_back_on_the_devices_of_the_template(tmp_path):
    save(tmp_path, 3)
    sharding = NamedSharding(Mesh(np.asarray(jax.devices()), ("data",)), PartitionSpec())
    spread = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), template()
    )
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(spread, settings=SETTINGS)
    assert restored is not None
    assert len(restored[0]["params"]["w"].devices()) == len(jax.devices()) > 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"optim.b1": 0.9}, r"optim.b1 = 0.9: .*started with 0.5.*--workdir"),
        ({"data.nir_percentiles": [1.0, 99.0]}, r"data.nir_percentiles = \[1.0, 99.0\]"),
        ({"loss.new": 1}, r"loss.new = 1: .*started with None"),
    ],
)
def test_another_setting_is_refused_by_name(tmp_path, changed, message):
    save(tmp_path / "checkpoints", 1)
    with (
        Checkpoints(tmp_path / "checkpoints") as checkpoints,
        pytest.raises(InputError, match=message),
    ):
        checkpoints.restore(template(), settings=SETTINGS | changed)


def test_the_left_over_of_a_killed_save_is_not_a_checkpoint(tmp_path):
    save(tmp_path, 1)
    left_over = tmp_path / "2.orbax-checkpoint-tmp"
    (left_over / "state").mkdir(parents=True)
    assert is_started(tmp_path)
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(template(), settings=SETTINGS)
    assert restored is not None
    assert int(restored[0]["step"]) == 1
    assert not left_over.exists()
