"""ColorMamba trains: its own generator, critics and objective, by the common step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.config.load import load_config
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

pytestmark = pytest.mark.slow


def test_a_few_steps_bring_one_pair_nearer():
    config = load_config("configs/colormamba.py:tiny", ["train.batch_size=1"])
    assert config.loss.adversary == "least_squares"
    f = TextureAutoencoder()
    weights = jax.jit(f.init)(jax.random.key(1), jnp.zeros((1, 16, 16, 3)))
    state = jax.jit(lambda key: create_state(key, config, steps=50))(jax.random.key(0))
    before = jax.device_get(state.generator["params"])
    step = jax.jit(
        make_train_step(
            config,
            steps=50,
            texture=lambda image: f.apply(weights, image, method="encode"),  # pyright: ignore
            vgg=None,
        )
    )
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.1, 0.9, 256, dtype=np.float32)[None, :, None, None]
    nir = 0.7 * ramp + 0.3 * rng.random((1, 256, 256, 1), np.float32)
    batch = Batch(nir, np.concatenate([nir**2, nir, 1 - 0.5 * nir], -1))
    history = []
    for _ in range(12):
        state, metrics = step(state, batch)
        history.append(jax.device_get(metrics))
    names = {"texture_l2", "texture_cosine", "ssim", "mse", "adversarial"}
    assert {f"{name}_{space}" for name in names for space in ("rgb", "hsv")} <= set(history[0])
    assert all(np.isfinite(value) for metrics in history for value in metrics.values())
    assert history[-1]["mse_rgb"] < 0.7 * history[0]["mse_rgb"]
    after = jax.device_get(state.generator["params"])
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    still = {
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, value in jax.tree_util.tree_leaves_with_path(moved)
        if not value
    }
    # Biases that nothing reads are not decayed either.
    assert {path.rpartition("/")[2] for path in still} == {"an_bias", "ah_bias", "aw_bias"}
