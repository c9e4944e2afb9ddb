"""What stops a run: before it begins, or when it has diverged; and that its record is exact.

A toy takes the place of the networks, the step and the validation; its terms are known.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError, Stopped
from haqagen_jax.run import checkpoint, loop, setup
from haqagen_jax.run.processes import reporting_lost_processes
from haqagen_jax.run.stopping import Stop
from haqagen_jax.run.validation import Samples
from haqagen_jax.run.writer import RunWriter
from haqagen_jax.train.precision import compute_dtype
from haqagen_jax.train.state import TrainState


def change(config: Config, section: str, **values) -> Config:
    return dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **values)}
    )


class Toy:
    """A run of which only the steps are counted, and where terms may be made to fail."""

    def __init__(self) -> None:
        self.bad: dict[str, float] = {}  # term to the value it has from the third step on
        self.psnr = 20.0
        self.last: int | None = None  # the step that is interrupted

    def create(self, key: jax.Array, config: Config, **_) -> TrainState:
        variables = {"params": {"w": jnp.ones(2)}}
        return TrainState(jnp.zeros((), jnp.int32), variables, {"params": {}}, (), ())

    def make_step(self, config: Config, **_):
        def step(state, batch):
            count = state.step + 1
            # Thirds: a sum of them depends on the precision it is taken in.
            terms = {name: count / (3 + i) for i, name in enumerate(("generator", "critic"))}
            for name, value in self.bad.items():
                terms[name] = jnp.where(count < 3, terms[name], value)
            return state.replace(step=count), terms

        return step

    def validate(self, variables):
        image = np.zeros((1, 8, 8, 3), np.float32)
        return {"psnr": self.psnr}, Samples(image[..., :1], image, image, image)


@pytest.fixture
def toy(monkeypatch) -> Toy:
    toy = Toy()
    place = loop.place_batch

    def stoppable(batch, mesh):
        if toy.last == 0:
            raise KeyboardInterrupt
        toy.last = toy.last and toy.last - 1
        return place(batch, mesh)

    monkeypatch.setattr(setup, "create_state", toy.create)
    monkeypatch.setattr(setup, "make_train_step", toy.make_step)
    monkeypatch.setattr(setup, "make_validation", lambda *_, **__: lambda x: toy.validate(x))
    monkeypatch.setattr(loop, "place_batch", stoppable)
    return toy


def lines(workdir: Path) -> list[dict]:
    """metrics.jsonl without what depends on the clock."""
    text = (workdir / "metrics.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    timed = ("rate/images", "rate/waiting", "memory/host_gb")
    return [{k: v for k, v in line.items() if k not in timed} for line in records]


def checkpoints(workdir: Path) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


@pytest.mark.parametrize("at", [3, 5])
def test_the_log_goes_on_in_the_middle_of_a_window(toy, run_config, data, tmp_path, at):
    # The checkpoints are of steps 2 and 4, within the windows of 1 to 3 and 4 to 5.
    config = change(run_config, "train", log_every=3, validate_every=4)
    loop.train([data], tmp_path / "whole", config, progress=False)
    toy.last = at - 1
    with pytest.raises(KeyboardInterrupt):
        loop.train([data], tmp_path / "parts", config, progress=False)
    toy.last = None
    loop.train([data], tmp_path / "parts", config, progress=False)
    record = lines(tmp_path / "whole")
    assert lines(tmp_path / "parts") == record
    means = [line["train/generator"] for line in record if "train/generator" in line]
    np.testing.assert_allclose(means, [2 / 3, 4.5 / 3], rtol=1e-6)


@pytest.mark.parametrize("term", ["generator", "critic"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("checkpoint_every", "kept"), [(9, []), (1, [1, 2]), (2, [2])])
def test_a_run_that_diverged_stops_with_the_names_of_the_batch(
    toy, run_config, data, tmp_path, term, value, checkpoint_every, kept
):
    toy.bad = {term: value}
    config = change(run_config, "train", log_every=9, checkpoint_every=checkpoint_every)
    config = change(config, "train", validate_every=9)
    message = (
        rf"^step 3: {term} is {value} in the batch of (scene_000[012](, )?)+; look at these pairs, "
        r"or lower optim\.learning_rate = 0\.01 .*--workdir.*last checkpoint is kept"
    )
    with pytest.raises(InputError, match=message) as caught:
        loop.train([data], tmp_path, config, progress=False)
    assert "\n" not in str(caught.value)
    assert checkpoints(tmp_path) == kept


def test_a_run_without_a_model_does_not_claim_one(toy, run_config, data, tmp_path):
    toy.psnr = float("nan")
    with pytest.raises(InputError, match=r"model: does not exist, as no validation PSNR") as caught:
        loop.train([data], tmp_path, run_config, progress=False)
    assert "\n" not in str(caught.value)


def test_float64_needs_an_environment_that_has_it(run_config, data, tmp_path):
    config = change(run_config, "train", precision="float64")
    message = r"train\.precision = 'float64': needs 64 bits; set JAX_ENABLE_X64=1"
    with pytest.raises(InputError, match=message):
        loop.train([data], tmp_path / "w", config, progress=False)
    assert not (tmp_path / "w").exists()


def test_a_disk_without_room_is_refused_first(toy, run_config, data, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=40))
    message = r"workdir = .*w: the disk has 0\.0 GB left, and 4 checkpoints need .*; make room"
    with pytest.raises(InputError, match=message):
        loop.train([data], tmp_path / "w", run_config, progress=False)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_same_command_goes_on(
    toy, run_config, data, tmp_path, monkeypatch, number
):
    config = change(run_config, "train", log_every=1, validate_every=9, checkpoint_every=9)
    loop.train([data], tmp_path / "whole", config, progress=False)
    place, calls = loop.place_batch, []

    def signalled(batch, mesh):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), number)
        return place(batch, mesh)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "place_batch", signalled)
        with pytest.raises(
            Stopped, match="stopped after step 3 of 5, which is saved; run"
        ) as caught:
            loop.train([data], tmp_path / "parts", config, progress=False)
    assert caught.value.number == number
    assert signal.getsignal(number) is before
    assert checkpoints(tmp_path / "parts") == [3]
    loop.train([data], tmp_path / "parts", config, progress=False)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")


def test_a_checkpoint_of_another_version_is_refused(toy, run_config, data, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 1)
        loop.train([data], tmp_path, run_config, progress=False)
    message = r"checkpoints/5: has format 1, this version \(.*\) reads 2; go on with the version"
    with pytest.raises(InputError, match=message):
        loop.train([data], tmp_path, run_config, progress=False)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (None, "m: no such model directory"),
        ({"params": {"w": np.zeros(2, np.float32)}}, "m: tensor .* is missing"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_first(
    stand_in, monkeypatch, run_config, tmp_path, variables, message
):
    def refuse(*_, **__):
        raise AssertionError("the run has begun")

    for name in ("split_pairs", "make_train_step", "create_state"):
        monkeypatch.setattr(setup, name, refuse)
    if variables is not None:
        artifact.save(tmp_path / "m", run_config, variables)
    with pytest.raises(InputError, match=message):
        loop.train(["x"], tmp_path / "w", run_config, init_from=tmp_path / "m", progress=False)
    assert not (tmp_path / "w").exists()


def test_a_failing_export_loses_no_step(toy, run_config, data, tmp_path, monkeypatch):
    """A step is saved before it is validated, and validated where the run goes on."""
    config = change(run_config, "train", checkpoint_every=9)  # validated after step 4
    loop.train([data], tmp_path / "whole", config, progress=False)

    def full(*_, **__):
        raise InputError("model: cannot be written (No space left on device); make room")

    with monkeypatch.context() as patch:
        patch.setattr(artifact, "save", full)
        with pytest.raises(InputError, match="No space left"):
            loop.train([data], tmp_path / "parts", config, progress=False)
    assert checkpoints(tmp_path / "parts") == [4]
    assert not (tmp_path / "parts" / "model").exists()
    loop.train([data], tmp_path / "parts", config, progress=False)
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert artifact.facts(tmp_path / "parts" / "model")["step"] == 4


def test_the_checkpoint_of_the_best_model_stays(toy, run_config, data, tmp_path):
    config = change(run_config, "train", validate_every=1)
    scores = iter([20.0, 30.0, 25.0, 26.0, 27.0])
    validate = toy.validate

    def falling(variables):
        toy.psnr = next(scores)
        return validate(variables)

    toy.validate = falling
    loop.train([data], tmp_path, config, progress=False)
    assert checkpoints(tmp_path) == [2, 4, 5]


def test_a_score_that_is_not_finite_is_no_number_anywhere(toy, run_config, data, tmp_path):
    toy.psnr = float("inf")
    with pytest.raises(InputError, match="no validation PSNR was finite"):
        loop.train([data], tmp_path, run_config, progress=False)
    text = (tmp_path / "metrics.jsonl").read_text("utf-8")
    assert "Infinity" not in text
    assert "NaN" not in text


def test_the_first_interrupt_says_that_it_was_heard(capfd):
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested(1)
        assert "haqagen: stopping: the step is finished and saved first" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert capfd.readouterr().err == ""


@pytest.mark.parametrize("processes", [1, 2])
def test_too_little_memory_is_no_lost_process(monkeypatch, processes):
    monkeypatch.setattr(jax, "process_count", lambda: processes)
    message = r"^a training step needs more memory than the device has free; lower train\.batch"
    with pytest.raises(InputError, match=message), reporting_lost_processes():
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes")


@pytest.mark.parametrize(
    ("platform", "capability", "dtype"),
    [
        ("gpu", "9.0", "bfloat16"),
        ("gpu", "12.0", "bfloat16"),
        ("gpu", "7.5", "float32"),
        ("gpu", "gfx90a", "float32"),
        ("gpu", None, "float32"),
        ("tpu", None, "bfloat16"),
        ("cpu", None, "float32"),
    ],
)
def test_precision_of_devices(monkeypatch, platform, capability, dtype):
    given = {} if capability is None else {"compute_capability": capability}
    device = SimpleNamespace(platform=platform, **given)
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert compute_dtype("auto") == dtype


def test_gathering_compiles_once(toy, run_config, data, tmp_path):
    plan = setup.prepare([data], tmp_path, run_config)
    tree = {"w": jnp.ones(3)}
    for _ in range(3):
        np.testing.assert_array_equal(plan.whole(tree)["w"], np.ones(3))
    assert plan.gather._cache_size() == 1


@pytest.mark.parametrize("way", ["to the end", "diverged", "interrupted", "asked to stop"])
def test_the_record_is_closed_on_every_way_out(toy, run_config, data, tmp_path, monkeypatch, way):
    closed, close = [], RunWriter.close

    def counting(writer):
        closed.append(writer)
        close(writer)

    monkeypatch.setattr(RunWriter, "close", counting)
    ending = contextlib.nullcontext()
    if way == "diverged":
        toy.bad, ending = {"critic": np.nan}, pytest.raises(InputError, match="critic is nan")
    elif way == "interrupted":
        toy.last, ending = 2, pytest.raises(KeyboardInterrupt)
    elif way == "asked to stop":
        monkeypatch.setattr(Stop, "requested", lambda self, step: step == 3)
        ending = pytest.raises(Stopped)
    with ending:
        loop.train([data], tmp_path, run_config, progress=False)
    assert len(closed) == 1
