"""A whole run: what it writes, that it continues exactly, and what it refuses.

The networks are small stand-ins, except in the test marked slow: the loop does not look inside.
"""

import dataclasses
import functools
import json
import re
from pathlib import Path

import imagecodecs
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import artifact
from haqagen_jax.cli.info import checkpoint_info
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.run import checkpoint, identity, loop, setup, texture
from haqagen_jax.run.checkpoint import Checkpoints
from haqagen_jax.run.validation import Samples
from haqagen_jax.train.state import create_state


def change(config: Config, section: str, **values) -> Config:
    return dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **values)}
    )


@pytest.fixture
def true(monkeypatch, run_config):
    """The true networks; they are slow, so one image a step, on one device."""
    make_mesh = setup.make_mesh
    monkeypatch.setattr(setup, "make_mesh", lambda train: make_mesh(train, jax.devices()[:1]))
    monkeypatch.setattr(setup, "make_train_step", functools.cache(setup.make_train_step))
    loss = {"alpha": 0.0, "gamma": 0.0, "delta": 0.0, "feature": 15.0}
    return change(change(run_config, "train", batch_size=1), "loss", **loss)


def run(data: Path, workdir: Path, config: Config, **options) -> Path:
    options = {"progress": False, "command": "haqagen train ..."} | options
    return loop.train([data], workdir, config, **options)


def stopped_run(data: Path, workdir: Path, config: Config, *, at: int) -> None:
    """A run that is interrupted before it takes its step number `at`."""
    place, calls = loop.place_batch, []

    def interrupt(batch, mesh):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return place(batch, mesh)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "place_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, workdir, config)


def lines(workdir: Path) -> list[dict]:
    """metrics.jsonl without what depends on the clock."""
    text = (workdir / "metrics.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    timed = ("rate/images", "rate/waiting", "memory/host_gb")
    return [{k: v for k, v in line.items() if k not in timed} for line in records]


def last_checkpoint(workdir: Path, config: Config, *, dtype=jnp.float32):
    """State and position."""
    make = functools.partial(create_state, config=config, steps=config.train.steps, dtype=dtype)
    template = jax.eval_shape(make, jax.random.key(0))
    with Checkpoints(workdir / "checkpoints", keep=2) as checkpoints:
        restored = checkpoints.restore(template, settings={})
    assert restored is not None
    return restored


def check_resume(
    data: Path, whole: Path, parts: Path, config: Config, *, dtype=jnp.float32
) -> None:
    """A run that stops and continues equals an unbroken one to the last bit: state, position in
    the data, record, best model."""
    # The checkpoint is of step 2; step 3 is logged, then repeated.
    stopped_run(data, parts, config, at=4)
    assert [line["step"] for line in lines(parts)] == [1, 2, 3]
    assert sorted(path.name for path in (parts / "checkpoints").iterdir()) == ["2"]
    run(data, parts, config)

    state, position = last_checkpoint(whole, config, dtype=dtype)
    other, other_position = last_checkpoint(parts, config, dtype=dtype)
    jax.tree.map(np.testing.assert_array_equal, other, state)
    assert int(state.step) == config.train.steps
    assert position == other_position
    assert lines(parts) == lines(whole)
    for name in ("model.safetensors", "config.json"):
        ours, theirs = ((w / "model" / name).read_bytes() for w in (parts, whole))
        assert ours == theirs, name


def check_model(directory: Path) -> None:
    """The model colors; what it gives is an image of the same size."""
    model = haqagen_jax.load(directory)
    nir = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    rgb = model.colorize(nir)
    assert (rgb.shape, rgb.dtype) == ((40, 50, 3), np.uint8)


@pytest.fixture(scope="module")
def finished(small, data, tmp_path_factory) -> Path:
    """The work directory of a finished run."""
    return run(data, tmp_path_factory.mktemp("finished"), small).parent


def test_a_stopped_run_ends_like_an_unbroken_one(finished, small, data, tmp_path):
    check_resume(data, finished, tmp_path, small)
    check_model(tmp_path / "model")


@pytest.mark.slow
def test_the_same_in_float16(small, data, tmp_path):
    """The scale of the loss goes on, too."""
    config = change(small, "train", precision="float16")
    run(data, tmp_path / "whole", config)
    check_resume(data, tmp_path / "whole", tmp_path / "parts", config, dtype=jnp.float16)


@pytest.mark.slow
def test_the_same_with_the_true_networks(true, data, tmp_path):
    run(data, tmp_path / "whole", true)
    check_resume(data, tmp_path / "whole", tmp_path / "parts", true)
    check_model(tmp_path / "parts" / "model")


def test_what_a_run_writes(finished, small, data):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        *("checkpoints", "curves.png", "metrics.jsonl", "model", "samples", "tensorboard")
    }
    assert imagecodecs.imread(finished / "curves.png").shape[2] == 3
    samples = sorted((finished / "samples").iterdir())
    assert [path.name for path in samples] == ["step_0000004.png", "step_0000005.png"]
    height, width, _ = imagecodecs.imread(samples[0]).shape
    assert height > 2 * 256  # two rows, as validation_samples says
    assert height < 3 * 256
    assert width > 4 * 256
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == ["4", "5"]

    record = lines(finished)
    assert [line["step"] for line in record] == [1, 2, 3, 4, 4, 5, 5]
    assert {name for line in record for name in line} == {
        "step",
        *("train/generator", "train/critic", "train/critic_rgb", "train/critic_hsv"),
        *("train/gradient_generator", "train/gradient_critic", "train/critic_accuracy"),
        *(f"train/{t}_{s}" for t in ("mse", "adversarial") for s in ("rgb", "hsv")),
        *(f"validation/{s}" for s in ("psnr", "ssim", "angular_error", "psnr_linear")),
        "validation/angular_error_linear",
    }
    assert all(np.isfinite(value) for line in record for value in line.values())


def test_a_checkpoint_says_what_it_is(finished, small, data, capsys):
    state, position = last_checkpoint(finished, small)
    params = {"generator": state.generator["params"], "critic": state.critic["params"]}
    digest = identity.fingerprint(params)
    for place in (finished, finished / "checkpoints" / "5"):
        checkpoint_info(str(place))
        said = capsys.readouterr().out
        assert re.search(r"^step +5 of 5$", said, re.M)
        assert f"SHA-256 {digest}" in said
        assert f"psnr {position['scores']['psnr']:.3f}" in said
    assert Config.from_dict(checkpoint.read(finished)[2]["config"]) == small
    checkpoint_info(str(finished / "checkpoints" / "4"))
    assert digest not in capsys.readouterr().out
    run(data, finished, small, progress=True)
    assert f"parameters SHA-256 {digest}" in capsys.readouterr().err
    with pytest.raises(InputError, match="holds no checkpoint; give a run's --workdir"):
        checkpoint_info(str(finished / "samples"))


def test_the_model_says_how_it_was_trained(finished, small):
    description = json.loads((finished / "model" / "config.json").read_text("utf-8"))
    facts = description["training"]
    assert Config.from_dict(description["config"]) == small
    assert facts["command"] == "haqagen train ..."
    assert (facts["pairs"], facts["validation_pairs"], facts["batch_size"]) == (3, 3, 4)
    assert facts["of"] == 5
    unused = ("texture_l2", "texture_cosine", "cdf", "vgg", "ssim", "network_mse")
    off = dict.fromkeys(unused, 0.0)
    assert facts["loss_weights"] == {"mse": 15.0, "adversarial": 1.0, "hsv": 1.0, **off}
    name = "validation/psnr"
    scores = {line["step"]: line[name] for line in lines(finished) if name in line}
    assert facts["step"] == max(scores, key=lambda step: scores[step])
    assert facts["validation"]["psnr"] == max(scores.values())
    stored = artifact.load(finished / "model")[1]
    assert stored.keys() == {"params", "batch_stats", "spectral"}


def test_a_finished_run_is_left_alone(finished, small, data, monkeypatch):
    def refuse(*_):
        raise AssertionError("a step was taken")

    before = (finished / "metrics.jsonl").read_text("utf-8")
    monkeypatch.setattr(loop, "place_batch", refuse)
    assert run(data, finished, small) == finished / "model"
    assert (finished / "metrics.jsonl").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("train", {"seed": 1}, r"train\.seed = 1: .*started with 0.*--workdir"),
        ("train", {"steps": 6}, r"train\.steps = 6: .*started with 5"),
        ("loss", {"beta": 2.0}, r"loss\.beta = 2\.0: .*started with 1\.5"),
        ("optim", {"learning_rate": 0.5}, r"optim\.learning_rate = 0\.5: .*started with 0\.01"),
        ("data", {"nir_percentiles": (1.0, 99.0)}, r"data\.nir_percentiles = \[1\.0, 99\.0\]"),
    ],
)
def test_another_setting_is_refused_by_name(finished, small, data, section, values, message):
    with pytest.raises(InputError, match=message) as caught:
        run(data, finished, change(small, section, **values))
    assert "\n" not in str(caught.value)


def test_the_rhythm_may_change(finished, small, data):
    other = change(
        small, "train", log_every=9, validate_every=9, checkpoint_every=9, validation_samples=1
    )
    other = change(change(other, "data", workers=1), "texture", steps=7)
    assert run(data, finished, other) == finished / "model"


def test_a_run_with_an_average_exports_it(small, data, tmp_path):
    config = change(small, "train", ema=0.5, validate_every=9)  # at the end alone
    run(data, tmp_path, config)
    state, _ = last_checkpoint(tmp_path, config)
    stored = artifact.load(tmp_path / "model")[1]["params"]
    for name, x in artifact.flatten(state.average).items():
        np.testing.assert_array_equal(artifact.flatten(stored)[name], x.astype("f2").astype("f4"))
    differs = jax.tree.map(
        lambda a, b: bool((a != b).any()), state.average, state.generator["params"]
    )
    assert any(jax.tree.leaves(differs))


def test_the_best_model_stays(small, data, tmp_path, monkeypatch):
    # Step 4 is validated again where the run goes on: it was saved before its validation.
    scores = iter([20.0, 25.0, 25.0, 24.0])
    sample = np.zeros((1, 8, 8, 3), np.float32)

    def validate(variables):
        return {"psnr": next(scores)}, Samples(sample[..., :1], sample, sample, sample)

    monkeypatch.setattr(setup, "make_validation", lambda *_, **__: validate)
    config = change(small, "train", validate_every=2)
    stopped_run(data, tmp_path, config, at=5)  # after the best, which must be remembered
    run(data, tmp_path, config)
    description = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))
    assert (description["training"]["step"], description["training"]["validation"]) == (
        4,
        {"psnr": 25.0},
    )
    position = last_checkpoint(tmp_path, small)[1]
    assert (position["scores"], position["best_step"]) == ({"psnr": 25.0}, 4)


def test_a_log_line_is_the_mean_since_the_last(finished, small, data, tmp_path, capsys):
    run(data, tmp_path, change(small, "train", log_every=2, validate_every=9), progress=True)
    term = "train/mse_rgb"
    every = {line["step"]: line[term] for line in lines(finished) if term in line}
    means = [(line["step"], line[term]) for line in lines(tmp_path)[:3]]
    assert [step for step, _ in means] == [2, 4, 5]
    expected = [np.mean([every[1], every[2]]), np.mean([every[3], every[4]]), every[5]]
    np.testing.assert_allclose([mean for _, mean in means], expected, rtol=1e-6)
    said = capsys.readouterr().err
    assert "step 2/5: generator " in said
    assert "images/s" in said
    assert "step 5/5: validation " in said


def test_steps_come_from_epochs(small, data, tmp_path):
    config = change(small, "train", steps=0, epochs=2, batch_size=4)
    with pytest.raises(InputError, match=r"batch_size = 4: more than the 3 training pairs"):
        run(data, tmp_path, config)
    assert not any(tmp_path.iterdir())


def test_a_run_may_begin_with_another_model(finished, small, data, tmp_path, monkeypatch):
    begin, seen = loop.start, []

    def spy(*args):
        seen.append(jax.device_get(begin(*args)))
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "start", spy)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path, small, init_from=finished / "model")
    stored = artifact.load(finished / "model")[1]
    jax.tree.map(np.testing.assert_array_equal, seen[0].generator, stored)
    assert int(seen[0].step) == 0


def test_the_features_of_f_take_part(small, data, tmp_path):
    f = TextureAutoencoder().init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    (tmp_path / "texture").mkdir()
    texture._save(tmp_path / "texture", f["params"], small.texture, {})
    config = change(change(small, "loss", feature=15.0, delta=0.0), "train", steps=1)
    run(data, tmp_path, config)
    first = lines(tmp_path)[0]
    for term in ("texture_l2", "texture_cosine", "cdf"):
        for space in ("rgb", "hsv"):
            assert 1e-4 < first[f"train/{term}_{space}"] < np.inf
    texture._save(
        tmp_path / "texture", jax.tree.map(lambda x: 2 * x, f["params"]), small.texture, {}
    )
    message = r"texture autoencoder = SHA-256 \w+: .*started with SHA-256 \w+; .*--workdir"
    with pytest.raises(InputError, match=message):
        run(data, tmp_path, config)


def test_other_data_are_refused(finished, small, data):
    message = r"training data = 6 pairs .*started with 3 pairs .*--workdir"
    with pytest.raises(InputError, match=message) as caught:
        loop.train([data, data], finished, small, progress=False)
    assert "\n" not in str(caught.value)


def test_a_run_that_goes_on_needs_no_model_to_begin_with(finished, small, data):
    assert run(data, finished, small, init_from=finished / "gone") == finished / "model"
