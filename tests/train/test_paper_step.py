"""The paper's configuration takes a training step, with one image a batch."""

from typing import Any

import jax
import numpy as np
import pytest

from haqagen_jax.artifact import flatten
from haqagen_jax.config.load import load_config
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

CONFIG = load_config("configs/haqagen.py:paper", ("loss.delta=0", "train.batch_size=1"))
SIDE = CONFIG.data.crop


def _texture():
    """Features of an f with random weights."""
    network = TextureAutoencoder()
    variables = jax.jit(network.init)(jax.random.key(1), np.zeros((1, 16, 16, 3), np.float32))

    def encode(image: jax.Array) -> jax.Array:
        features: Any = network.apply(variables, image, method="encode")
        return features

    return encode


def _create(key: jax.Array):
    return create_state(key, CONFIG, steps=10)


@pytest.mark.slow
def test_a_step_of_the_papers_configuration():
    rng = np.random.default_rng(0)
    batch = Batch(*(rng.random((1, SIDE, SIDE, c), np.float32) for c in (1, 3)))
    step = jax.jit(make_train_step(CONFIG, steps=10, texture=_texture(), vgg=None))
    state = jax.jit(_create)(jax.random.key(0))
    after, metrics = jax.device_get(step(state, batch))

    terms = ("adversarial", "mse", "texture_l2", "texture_cosine", "cdf", "critic")
    names = {f"{term}_{space}" for term in terms for space in ("rgb", "hsv")}
    others = {"gradient_generator", "gradient_critic", "critic_accuracy"}
    assert metrics.keys() == names | others | {"generator", "critic"}
    for name, value in metrics.items():
        assert np.isfinite(value), name
    for network in ("generator", "critic"):
        old, new = (flatten(getattr(s, network)["params"]) for s in (state, after))
        assert old.keys() == new.keys()
        for name, tensor in new.items():
            assert np.isfinite(tensor).all(), name
            # The attention begins with a weight of zero; a bias ahead of a norm has no gradient.
            rests = any(f"cross_block/{part}/" in name for part in ("query", "key", "value"))
            if tensor.ndim > 1 and not rests:
                assert not np.array_equal(tensor, old[name]), name
