"""A model directory survives the round trip, and every damage to it is named."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    return {
        "params": {
            "rgb_branch": {
                "conv": {"kernel": rng.normal(size=(3, 3, 1, 4)).astype(np.float32)},
                "bias": np.array([1 / 3, 1e-6], np.float32),
                "gamma": np.array(0.25, np.float32),  # a scalar stays one
            }
        },
        "batch_stats": {"norm": {"mean": np.array([1 / 3], np.float32)}},
    }


@pytest.fixture
def directory(tmp_path, variables):
    artifact.save(tmp_path / "m", Config(), variables, dtype="float32", training={"steps": 3})
    return tmp_path / "m"


def edit(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_float32_round_trip_is_exact(directory, variables):
    config, loaded = artifact.load(directory)
    assert config == Config()
    want, got = artifact.flatten(variables), artifact.flatten(loaded)
    assert sorted(want) == sorted(got)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])
        assert (got[name].dtype, got[name].shape) == (np.float32, want[name].shape)


def test_float16_is_for_parameters_only(tmp_path, variables):
    config = Config(data=DataConfig(nir_percentiles=(1.0, 99.0), rgb_transfer="linear"))
    artifact.save(tmp_path / "m", config, variables)
    stored = load_file(tmp_path / "m" / "model.safetensors")
    assert stored["params/rgb_branch/bias"].dtype == np.float16
    assert stored["batch_stats/norm/mean"].dtype == np.float32
    loaded_config, loaded = artifact.load(tmp_path / "m")
    assert loaded_config == config
    want = np.array([1 / 3, 1e-6], np.float16).astype(np.float32)
    np.testing.assert_array_equal(loaded["params"]["rgb_branch"]["bias"], want)
    want = np.array([1 / 3], np.float32)
    np.testing.assert_array_equal(loaded["batch_stats"]["norm"]["mean"], want)


def test_a_model_is_replaced_and_nothing_is_left_beside_it(directory, variables):
    artifact.save(directory, Config(), variables, training={"steps": 9})
    assert json.loads((directory / "config.json").read_text())["training"] == {"steps": 9}
    assert [p.name for p in directory.parent.iterdir()] == ["m"]


def test_files_are_readable_as_any_other(directory):
    (directory / "other").touch()
    modes = {path.stat().st_mode for path in directory.iterdir()}
    assert len(modes) == 1  # what the user's umask gives
    (directory.parent / "other").mkdir()
    assert directory.stat().st_mode == (directory.parent / "other").stat().st_mode


def test_what_a_killed_run_left_is_not_in_the_way(directory, variables):
    # Processes in containers have the same few numbers again and again.
    for ending in ("part", "old"):
        left = directory.with_name(f".m.{os.getpid()}.{ending}")
        left.mkdir()
        (left / "config.json").touch()
    artifact.save(directory, Config(), variables, training={"steps": 9})
    assert json.loads((directory / "config.json").read_text())["training"] == {"steps": 9}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failed_swap_puts_the_old_model_back(directory, variables, monkeypatch, error):
    rename = Path.rename

    def fail(self, target):
        if Path(target) == directory and self.name == "new":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(error):
        artifact.save(directory, Config(), variables, training={"steps": 9})
    assert json.loads((directory / "config.json").read_text())["training"] == {"steps": 3}
    assert [p.name for p in directory.parent.iterdir()] == ["m"]


def test_failure_leaves_the_old_model(directory, variables, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    before = artifact.load(directory)[1]
    monkeypatch.setattr(artifact, "to_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        artifact.save(directory, Config(), {"params": {"a": np.zeros(2)}})
    assert artifact.flatten(artifact.load(directory)[1]).keys() == artifact.flatten(before).keys()
    assert [p.name for p in directory.parent.iterdir()] == ["m"]


def test_another_folder_is_not_overwritten(tmp_path, variables):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"photos: exists and is not a model directory"):
        artifact.save(tmp_path / "photos", Config(), variables)


@pytest.mark.parametrize("value", [np.nan, 1e6])
def test_tensors_must_be_finite_in_their_dtype(tmp_path, value):
    variables = {"params": {"scale": np.array([1, value], np.float32)}}
    with pytest.raises(InputError, match="params/scale: has values that are not finite in float16"):
        artifact.save(tmp_path / "m", Config(), variables)
    assert list(tmp_path.iterdir()) == []


def test_unknown_dtype(tmp_path, variables):
    with pytest.raises(InputError, match="dtype = 'int8'"):
        artifact.save(tmp_path / "m", Config(), variables, dtype="int8")


def test_other_version(directory):
    edit(directory, format_version=3, package_version="9.9")
    with pytest.raises(InputError, match=r"format_version is 3 .*haqagen-jax 9\.9.*reads 2"):
        artifact.load(directory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "its format is not 'haqagen-jax-model'"),
        ({"config": None}, "has no configuration"),
        ({"config": {"model": {"widht": 8}}}, r"config\.json: .*widht.*width"),
    ],
)
def test_bad_description(directory, changes, message):
    edit(directory, **changes)
    with pytest.raises(InputError, match=message):
        artifact.load(directory)


def test_missing_parts(directory):
    with pytest.raises(InputError, match="nowhere: no such model directory"):
        artifact.load(directory.parent / "nowhere")
    (directory / "model.safetensors").unlink()
    with pytest.raises(InputError) as info:
        artifact.load(directory)
    path = directory / "model.safetensors"
    assert str(info.value) == f"{path}: no such file; copy the model again"
    (directory / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        artifact.load(directory)
    (directory / "config.json").unlink()
    with pytest.raises(InputError, match=r"no config\.json in it"):
        artifact.load(directory)


def test_truncated_tensors(directory):
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read") as info:
        artifact.load(directory)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("params/rgb_branch/bias"), "m: tensor params/rgb_branch/bias is missing"),
        (lambda t: t.update({"params/x": np.zeros(1)}), "params/x is not part of the network"),
        (lambda t: t.update({"batch_stats/norm/mean": np.zeros(2)}), r"shape \(2,\).*needs \(1,\)"),
    ],
)
def test_tensors_that_do_not_fit_the_network(directory, variables, change, message):
    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    _, loaded = artifact.load(directory)
    with pytest.raises(InputError, match=message):
        artifact.check(loaded, variables, "m")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_model_that_is_not_finite_is_refused_by_tensor(directory, value):
    path = directory / "model.safetensors"
    tensors = load_file(path)
    tensors["batch_stats/norm/mean"] = np.array([value], np.float32)
    save_file(tensors, path)
    message = r"model\.safetensors: tensor batch_stats/norm/mean has values that are not finite"
    with pytest.raises(InputError, match=message) as info:
        artifact.load(directory)
    assert "\n" not in str(info.value)


def test_a_name_that_goes_on_where_another_ends(directory):
    path = directory / "model.safetensors"
    save_file(load_file(path) | {"params/rgb_branch/bias/x": np.zeros(1)}, path)
    with pytest.raises(InputError, match=r"model\.safetensors: tensor params/rgb_branch/bias/x: "):
        artifact.load(directory)
    for flat in ({"a/b": 1, "a/b/x": 2}, {"a/b/x": 2, "a/b": 1}, {"a": 1, "a/b/x": 2}):
        with pytest.raises(InputError, match="tensor a/b/x: goes on where"):
            artifact.unflatten(flat)
    assert artifact.unflatten({"a/b": 1, "a/bc": 2}) == {"a": {"b": 1, "bc": 2}}


def test_matching_tensors_pass_the_check(directory, variables):
    artifact.check(artifact.load(directory)[1], variables, "m")
    shutil.rmtree(directory)
