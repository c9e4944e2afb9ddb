"""What a dry run says, and that it leaves nothing behind."""

import dataclasses
import re

import jax
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.run.dry_run import plan
from haqagen_jax.train import sharding
from haqagen_jax.train.state import create_state


def rows(said: str) -> dict[str, str]:
    return {line[:16].strip(): line[17:] for line in said.splitlines()}


def megabytes(text: str) -> float:
    return float(text.split(" MB")[0].replace(",", ""))


@pytest.fixture
def planned(stand_in, run_config, data, tmp_path, capsys):
    def of(**train) -> dict[str, str]:
        config = dataclasses.replace(
            run_config, train=dataclasses.replace(run_config.train, **train)
        )
        plan([data], tmp_path / "w", config)
        assert not (tmp_path / "w").exists()
        return rows(capsys.readouterr().out)

    return of


def test_a_plan_says_what_is_known_and_what_was_measured(planned, run_config):
    said = planned(ema=0.5)
    assert said["devices"] == "4 cpu; data 4 x fsdp 1"
    assert said["batch"] == "4, 1 on each device"
    assert said["precision"] == "float32"
    assert said["data"] == "3 pairs, 3 to validate"
    assert said["steps"] == "5, 6.7 epochs; logs every 1, validates every 4, saves every 2"
    assert said["learning rate"] == "0.01 at first, 0.0065 half way, 1e-06 at the end"
    assert said["moving average"] == "decay 0.5"
    config = dataclasses.replace(run_config, train=dataclasses.replace(run_config.train, ema=0.5))
    state = jax.eval_shape(lambda key: create_state(key, config, steps=5), jax.random.key(0))
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state)) / 1e6
    assert megabytes(said["state"]) == pytest.approx(size, abs=0.06)
    assert megabytes(said["memory"]) > megabytes(said["state"])
    speed = re.match(r"([\d.]+) s a step, ([\d.]+) images/s; ", said["time"])
    assert speed is not None, said["time"]
    assert float(speed[1]) * float(speed[2]) == pytest.approx(4, rel=0.5)


def test_a_shared_state_takes_less_of_each_device(planned, monkeypatch):
    monkeypatch.setattr(sharding, "WORTH_SPLITTING", 2**8)
    whole = planned()
    shared = planned(fsdp=4)
    assert shared["devices"] == "4 cpu; data 1 x fsdp 4"
    assert megabytes(shared["state"]) < 0.5 * megabytes(whole["state"])
    assert shared["checkpoints"] == whole["checkpoints"]


def test_a_plan_refuses_what_a_run_would(planned, run_config, data, tmp_path):
    with pytest.raises(InputError, match=r"train\.batch_size = 6: must be a multiple of the 4"):
        planned(batch_size=6)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"workdir = .*file: cannot be made or written to"):
        plan([data], tmp_path / "file", run_config)
