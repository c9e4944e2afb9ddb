"""A tiny model learns one image by heart: the whole of it trains."""

from typing import Any

import jax
import numpy as np
import pytest

from haqagen_jax import metrics
from haqagen_jax.config.load import load_config
from haqagen_jax.models.factory import make_generator
from haqagen_jax.nir.preparation import prepare_nir
from haqagen_jax.synthetic import render
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

STEPS = 400
# The squared terms alone: PSNR is what is asked for.
OVERRIDES = (
    *("loss.feature=0", "loss.adversarial=0", f"train.steps={STEPS}", "train.batch_size=1"),
    *("optim.learning_rate=5e-3", "optim.final_learning_rate=5e-5"),
)
# The suite compiles quickly to slow code; here the steps are what takes the time. jax's alias for
# the options leaves out numbers.
FAST_CODE: dict[str, Any] = {"xla_backend_optimization_level": 3}


@pytest.mark.slow
def test_a_tiny_model_overfits_one_pair():
    config = load_config("configs/haqagen.py:tiny", OVERRIDES)
    scene = render(0, 256, 256)
    batch = Batch(prepare_nir(scene.nir[..., 0], equalize=True)[None], scene.rgb[None])
    state = jax.jit(lambda key: create_state(key, config, steps=STEPS))(jax.random.key(0))
    step = make_train_step(config, steps=STEPS, texture=None, vgg=None)
    step = jax.jit(step, donate_argnums=0).lower(state, batch).compile(FAST_CODE)
    for _ in range(STEPS):
        state, terms = step(state, batch)
    assert np.isfinite(terms["generator"])
    predict = jax.jit(make_generator(config.model).apply)
    (psnr,) = metrics.psnr(predict(state.generator, batch.nir).rgb, batch.rgb)
    assert psnr > 30.0
