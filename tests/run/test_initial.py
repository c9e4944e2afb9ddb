"""What a run takes of another model's generator."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config, DataConfig, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.models.agent_attention import AgentAttention
from haqagen_jax.models.factory import generator_shapes, init_generator
from haqagen_jax.run import initial
from haqagen_jax.run.checkpoint import Checkpoints
from haqagen_jax.run.initial import read_initial
from haqagen_jax.train.state import create_state

OTHER = ModelConfig(
    architecture="colormamba", width=8, d_state=2, spade_hidden=8, hsv_width=4, critic_width=8
)
OURS = dataclasses.replace(OTHER, architecture="haqagen", hsv_width=8)


def _random(model: ModelConfig) -> Any:
    shapes = jax.eval_shape(lambda key: init_generator(key, model), jax.random.key(0))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.standard_normal(x.shape, np.float32), shapes)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    directory = tmp_path_factory.mktemp("imported") / "cm"
    variables = _random(OTHER)
    data = DataConfig(preparation="colormamba", equalize=False)
    artifact.save(directory, Config(OTHER, data), variables, dtype="float32")
    return directory, artifact.flatten(variables)


def test_the_backbone_is_taken(imported):
    directory, theirs = imported
    taken, report = read_initial(directory, OURS)
    wanted = artifact.flatten(_random(OURS))
    for path, tensor in taken.items():
        assert wanted[path].shape == tensor.shape
        if not path.endswith("agent_bias"):
            np.testing.assert_array_equal(tensor, theirs[path])
    branch = "params/rgb_branch"
    for part in ("down_8/kernel", "group_3/block/self_attention/A_log", "decoder_8/up/kernel"):
        assert f"{branch}/{part}" in taken
    for part in ("decoder_5/spade/conv_1/kernel", "cross_block/gamma", "fin_out/bias"):
        assert f"{branch}/{part}" in taken
    assert "spectral/rgb_branch/decoder_5/spade/conv_1/u" in taken
    assert "batch_stats/rgb_branch/cross_block/key/norm/var" in taken
    # Modulation by other maps, and by what only one of the two has.
    missing = set(wanted) - set(taken)
    assert f"{branch}/decoder_5/spade/norm_0/gamma_beta/kernel" in missing
    assert f"{branch}/decoder_1/spade/conv_0/kernel" in missing
    assert f"{branch}/fusion/norm_0/shared/kernel" in taken
    assert not [path for path in taken if "hsv_branch" in path]
    count = sum(tensor.size for path, tensor in taken.items() if path.startswith("params/"))
    total = sum(tensor.size for path, tensor in wanted.items() if path.startswith("params/"))
    assert report.splitlines()[0].endswith(f"cm: {count:,} of {total:,} parameters taken")


def test_the_report_names_every_tensor_once(imported):
    report = read_initial(imported[0], OURS).report
    assert max(map(len, report.splitlines()[1:])) <= 100
    text = " ".join(report.split())
    taken, rest = text.partition("starts anew")[::2]
    anew, behind = rest.partition("left behind")[::2]
    assert "rgb_branch/down_1-8" in taken
    assert "rgb_branch/group_1-3" in taken
    assert "rgb_branch/decoder_1-8/up" in taken
    assert "hsv_branch, rgb_branch/decoder_1,6,7,8/spade, " in anew
    assert "hsv_branch, rgb_branch/decoder_2-5/spade/norm_0, " in behind
    assert "down" not in anew + behind


def test_agent_attention_is_the_same_function(imported):
    """The sum of the published biases does what they do."""
    directory, theirs = imported
    taken = read_initial(directory, OURS).tensors
    place = "params/rgb_branch/group_1/block/conv_blk/attn"
    x = jnp.asarray(np.random.default_rng(1).standard_normal((1, 9, 8, 8), np.float32))

    def attend(tensors: dict[str, Any], *, window_bias: bool) -> Any:
        inside = {
            path.removeprefix(f"{place}/"): jnp.asarray(tensor)
            for path, tensor in tensors.items()
            if path.startswith(place)
        }
        params = artifact.unflatten(inside)
        return AgentAttention(8, 49, window_bias).apply({"params": params}, x)

    ours, published = attend(taken, window_bias=False), attend(theirs, window_bias=True)
    np.testing.assert_allclose(ours, published, rtol=0, atol=1e-5 * float(abs(published).max()))


def test_another_hidden_width_costs_the_fusions_norms(imported):
    model = dataclasses.replace(OURS, spade_hidden=4)
    taken = read_initial(imported[0], model).tensors
    assert not [path for path in taken if "fusion/norm" in path]
    assert "params/rgb_branch/fusion/conv_0/kernel" in taken


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            dataclasses.replace(OURS, width=16),
            "model.width is 8, but the run's is 16; start the ru",
        ),
        (dataclasses.replace(OURS, d_state=4), r"with --set model.d_state=2$"),
        (dataclasses.replace(OURS, expand=1), "model.expand is 2, but"),
        (dataclasses.replace(OTHER, width=16), "tensor .* has shape"),
    ],
)
def test_other_sizes_are_refused(imported, model, message):
    with pytest.raises(InputError, match=message) as caught:
        read_initial(imported[0], model)
    assert "\n" not in str(caught.value)


def test_one_architecture_is_taken_whole(imported, tmp_path):
    directory, theirs = imported
    taken, report = read_initial(directory, OTHER)
    assert set(taken) == set(theirs)
    assert report == f"generator of {directory}: taken whole"
    artifact.save(tmp_path / "ours", Config(model=OURS), _random(OURS))
    with pytest.raises(InputError, match="is a haqagen generator, of which a colormamba generator"):
        read_initial(tmp_path / "ours", OTHER)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_gives_its_latest_checkpoint(tmp_path, ema):
    config = Config(model=OURS, train=dataclasses.replace(Config().train, ema=ema))
    shapes = jax.eval_shape(lambda key: create_state(key, config, steps=1), jax.random.key(0))
    rng = np.random.default_rng(0)
    with Checkpoints(tmp_path / "run" / "checkpoints", keep=2) as checkpoints:
        for step in (3, 12):
            state = jax.tree.map(lambda x: jnp.asarray(rng.random(x.shape), x.dtype), shapes)
            checkpoints.save(step, state, settings={}, position={}, config=config.to_dict())
            checkpoints.wait()
            if step == 3:
                first = state
    for directory, expected in (("run", state), ("run/checkpoints/3", first)):
        taken, report = read_initial(tmp_path / directory, config.model)
        wanted = artifact.flatten(expected.judged)
        assert taken.keys() == wanted.keys()
        for path, tensor in taken.items():
            np.testing.assert_array_equal(tensor, wanted[path], err_msg=path)
        assert report == f"generator of {tmp_path / directory}: taken whole"
    # A checkpoint's place alone is not a run.
    with pytest.raises(InputError, match=r"checkpoints: no config.json in it"):
        read_initial(tmp_path / "run" / "checkpoints", config.model)


def test_a_prior_becomes_the_hsv_branch(tmp_path):
    prior = ModelConfig(architecture="prior", hsv_encoder="efficientnet_lite0")
    ours = dataclasses.replace(OURS, hsv_encoder="efficientnet_lite0")
    theirs = _random(prior)
    artifact.save(tmp_path / "prior", Config(model=prior), theirs, dtype="float32")
    taken, report = read_initial(tmp_path / "prior", ours)
    place = "params/hsv_branch/"
    wanted = {path for path in artifact.flatten(generator_shapes(ours)) if path.startswith(place)}
    assert taken.keys() == wanted
    flat = artifact.flatten(theirs["params"])
    for path, tensor in taken.items():
        np.testing.assert_array_equal(tensor, flat[path.removeprefix(place)])
    assert report.endswith("prior: taken whole, as G_B")
    with pytest.raises(InputError, match="is a prior generator, of which a haqagen generator can"):
        read_initial(tmp_path / "prior", OURS)


@pytest.mark.parametrize(
    ("architecture", "place"), [("prior", "params/trunk"), ("haqagen", "params/hsv_branch/trunk")]
)
def test_a_trunk_starts_with_published_weights(architecture, place, monkeypatch):
    model = ModelConfig(
        architecture=architecture,
        hsv_encoder="efficientnet_lite0",
        width=8,
        d_state=2,
        spade_hidden=4,
        critic_width=4,
    )
    shapes = artifact.flatten(generator_shapes(model))
    wanted = {path: x.shape for path, x in shapes.items() if path.startswith(f"{place}/")}
    stored = {path.removeprefix(f"{place}/"): np.ones(shape) for path, shape in wanted.items()}
    monkeypatch.setattr(initial.cache, "load", lambda name: artifact.unflatten(stored))
    found = initial.pretrained_trunk(model)
    assert found is not None
    assert {path: x.shape for path, x in found.tensors.items()} == wanted
    assert "2,958,848 parameters taken" in found.report
    assert initial.pretrained_trunk(ModelConfig()) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-lfs pointer.*; git lfs pull"),
        (b"<html>", "is a web page"),
        (b"PK\x03\x04", "truncated or damaged"),
        (b"\x93NUMPY", r"is one NumPy array .*, not a model directory; give a directory"),
    ],
)
def test_a_file_is_named(tmp_path, content, message):
    (tmp_path / "best.pth").write_bytes(content)
    with pytest.raises(InputError, match=f"best.pth: .*{message}") as caught:
        read_initial(tmp_path / "best.pth", OURS)
    assert "\n" not in str(caught.value)
