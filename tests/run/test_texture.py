"""Pretraining of f: the step learns, and a stopped run ends where an unbroken one does."""

import dataclasses
import json
from pathlib import Path

import imagecodecs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from haqagen_jax.config.schema import Config
from haqagen_jax.data.pipeline import TrainIterator
from haqagen_jax.errors import InputError
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.run import texture
from haqagen_jax.train import texture_step
from haqagen_jax.types import Batch

CONFIG = Config.from_dict(
    {
        "texture": {"steps": 4, "batch_size": 2},
        "data": {"precrop": 0},
        "train": {"log_every": 1, "checkpoint_every": 2},
    }
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pairs") / "train"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        rgb = rng.integers(0, 256, (32, 40, 3), np.uint8)
        imagecodecs.imwrite(folder / f"s{i}_nir.png", rgb[..., 0].copy())
        imagecodecs.imwrite(folder / f"s{i}_rgb.png", rgb)
    return folder.parent


def test_loss_is_the_mean_square_over_rgb_and_hsv():
    # A network of zeros reconstructs zeros: the loss is the mean square of the images.
    image = jnp.zeros((2, 16, 16, 3))
    rgb = image.at[0].set(jnp.array([1.0, 0.5, 0.5])[None, None])  # HSV: 0, 0.5, 1
    init = TextureAutoencoder().init(jax.random.key(0), image)["params"]
    loss = texture_step.texture_loss(jax.tree.map(jnp.zeros_like, init), rgb)
    np.testing.assert_allclose(loss, [(1.5 / 3 + 1.25 / 3) / 2, 0.0], rtol=1e-6)


def test_steps_reduce_the_loss_of_one_batch():
    config = dataclasses.replace(CONFIG.texture, steps=40, learning_rate=3e-3)
    state = texture_step.create_texture_state(jax.random.key(0), config)
    yy, xx = jnp.mgrid[0:1:32j, 0:1:32j]
    rgb = jnp.stack([yy, xx, yy * xx], axis=-1)[None]
    losses = []
    for _ in range(40):
        state, loss = texture_step.texture_step(state, rgb)
        losses.append(float(loss))
    assert losses[-1] < 0.2 * losses[0]
    assert int(state.step) == 40


def test_decay_leaves_biases_alone():
    config = dataclasses.replace(CONFIG.texture, learning_rate=1e-3)
    state = texture_step.create_texture_state(jax.random.key(0), config)
    state = dataclasses.replace(state, params=jax.tree.map(jnp.ones_like, state.params))
    still = jax.tree.map(jnp.zeros_like, state.params)
    updates, _ = jax.jit(state.optimizer.update)(still, state.opt_state, state.params)
    block = updates["encoder"]["block1"]["conv"]
    assert float(jnp.abs(block["bias"]).max()) == 0.0
    assert float(block["kernel"].max()) < 0.0


@pytest.fixture
def small_patches(monkeypatch):
    """The true stream, with the patches cut to 16 by 16."""
    whole = TrainIterator.__next__

    def cut(stream: TrainIterator) -> Batch:
        batch = whole(stream)
        return batch._replace(rgb=batch.rgb[:, 100:116, 100:116])

    monkeypatch.setattr(TrainIterator, "__next__", cut)


def test_a_stopped_run_ends_like_an_unbroken_one(
    pairs, small_patches, tmp_path, monkeypatch, capsys
):
    whole = texture.pretrain_texture([pairs], tmp_path / "whole", CONFIG, progress=False)

    step = texture.texture_step
    calls = []

    def stops_at_the_fourth(state, rgb):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(state, rgb)

    monkeypatch.setattr(texture, "texture_step", stops_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        texture.pretrain_texture([pairs], tmp_path / "parts", CONFIG, progress=False)
    monkeypatch.setattr(texture, "texture_step", step)
    with pytest.raises(InputError, match="no trained texture"):
        texture.load_texture(tmp_path / "parts" / "texture")
    other = dataclasses.replace(CONFIG, texture=dataclasses.replace(CONFIG.texture, steps=5))
    with pytest.raises(InputError, match=r"texture.steps = 5.*started with 4"):
        texture.pretrain_texture([pairs], tmp_path / "parts", other, progress=False)
    with pytest.raises(InputError, match=r"training data = 6 pairs.*started with 3 pairs"):
        texture.pretrain_texture([pairs] * 2, tmp_path / "parts", CONFIG, progress=False)
    parts = texture.pretrain_texture([pairs], tmp_path / "parts", CONFIG, progress=False)

    first, second = texture.load_texture(whole), texture.load_texture(parts)
    jax.tree.map(np.testing.assert_array_equal, first, second)
    logs = [(d / "metrics.jsonl").read_text() for d in (whole, parts)]
    assert logs[0] == logs[1]
    assert [json.loads(line)["step"] for line in logs[0].splitlines()] == [1, 2, 3, 4]
    assert sorted(p.name for p in whole.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
    ]
    before = (whole / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    assert texture.pretrain_texture([pairs], tmp_path / "whole", CONFIG) == whole
    assert "already trained" in capsys.readouterr().out
    assert (whole / "model.safetensors").stat().st_mtime_ns == before


def test_load_names_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match=r"no trained texture.*pretrain-texture"):
        texture.load_texture(tmp_path / "texture")
    params = TextureAutoencoder().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    texture._save(tmp_path, params, CONFIG.texture, {"loss": 0.1})
    loaded = texture.load_texture(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, loaded, dict(params))

    tensors = load_file(tmp_path / "model.safetensors")
    name = "params/decoder/block2/conv/bias"
    save_file({k: v for k, v in tensors.items() if k != name}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=name):
        texture.load_texture(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="damaged"):
        texture.load_texture(tmp_path)
    save_file(tensors | {f"{name}/x": np.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=rf"damaged \(tensor {name}/x"):
        texture.load_texture(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        text.replace('"format_version": 1', '"format_version": 9')
    )
    with pytest.raises(InputError, match="haqagen-jax-texture 9"):
        texture.load_texture(tmp_path)


def test_what_has_diverged_is_neither_saved_nor_loaded(pairs, small_patches, tmp_path, monkeypatch):
    def diverged(state, rgb):
        return state.replace(step=state.step + 1), jnp.float32(np.nan)

    with monkeypatch.context() as patch:
        patch.setattr(texture, "texture_step", diverged)
        with pytest.raises(
            InputError, match=r"^step 1: the loss of the texture autoencoder is nan"
        ):
            texture.pretrain_texture([pairs], tmp_path, CONFIG, progress=False)
    assert not (tmp_path / "texture" / "config.json").exists()
    params = TextureAutoencoder().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    bad = jax.tree.map(lambda x: np.full(x.shape, np.nan, np.float32), dict(params))
    with pytest.raises(InputError, match="values that are not finite; it is not saved"):
        texture._save(tmp_path, bad, CONFIG.texture, {"loss": 0.1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        texture._save(tmp_path, params, CONFIG.texture, {"loss": float("nan")})
    assert not (tmp_path / "config.json").exists()
    texture._save(tmp_path, params, CONFIG.texture, {"loss": 0.1})
    tensors = load_file(tmp_path / "model.safetensors")
    first = next(iter(tensors))
    save_file(
        tensors | {first: np.full_like(tensors[first], np.inf)}, tmp_path / "model.safetensors"
    )
    with pytest.raises(InputError, match="values that are not finite"):
        texture.load_texture(tmp_path)
