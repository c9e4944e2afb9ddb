"""Which parameters decay, how fast, and the learning rate from the first step to the last."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.artifact import flatten
from haqagen_jax.config.schema import ModelConfig, OptimConfig
from haqagen_jax.models.factory import init_critic, init_generator
from haqagen_jax.train.optimizer import decayed, make_optimizer, make_schedule

TINY = ModelConfig(width=8, d_state=2, spade_hidden=4, hsv_width=4, critic_width=4)

# One scan group, which holds every kind of parameter but the attention's `gamma`.
SCAN_GROUP = {
    "block/conv_blk/attn/agent_bias": False,
    "block/conv_blk/attn/dwc/bias": False,
    "block/conv_blk/attn/dwc/kernel": True,
    "block/conv_blk/attn/kv/kernel": True,
    "block/conv_blk/attn/proj/bias": False,
    "block/conv_blk/attn/proj/kernel": True,
    "block/conv_blk/attn/q/kernel": True,
    "block/conv_blk/fc1/bias": False,
    "block/conv_blk/fc1/kernel": True,
    "block/conv_blk/fc2/bias": False,
    "block/conv_blk/fc2/kernel": True,
    "block/conv_blk/norm1/bias": False,
    "block/conv_blk/norm1/scale": False,
    "block/conv_blk/norm2/bias": False,
    "block/conv_blk/norm2/scale": False,
    "block/expand_conv/bias": False,
    "block/expand_conv/kernel": True,
    "block/ln_1/bias": False,
    "block/ln_1/scale": False,
    "block/ln_2/bias": False,
    "block/ln_2/scale": False,
    "block/self_attention/A_log": False,
    "block/self_attention/D": False,
    "block/self_attention/conv2d/bias": False,
    "block/self_attention/conv2d/kernel": True,
    "block/self_attention/dt_bias": False,
    "block/self_attention/dt_proj": True,
    "block/self_attention/in_proj/kernel": True,
    "block/self_attention/out_norm/bias": False,
    "block/self_attention/out_norm/scale": False,
    "block/self_attention/out_proj/kernel": True,
    "block/self_attention/x_proj": True,
    "block/skip_scale": False,
    "block/skip_scale2": False,
    "block/squeeze/bias": False,
    "block/squeeze/kernel": True,
    "conv_after_body/bias": False,
    "conv_after_body/kernel": True,
    "norm/bias": False,
    "norm/scale": False,
}


def parameters(init):
    return jax.eval_shape(lambda key: init(key, TINY), jax.random.key(0))["params"]


def test_which_parameters_of_the_generator_decay():
    marked: Any = decayed(parameters(init_generator))
    assert flatten(marked["rgb_branch"]["group_1"]) == SCAN_GROUP
    kinds = {}
    for name, marks in flatten(marked).items():
        kinds.setdefault(name.rpartition("/")[2], set()).add(marks)
    assert {kind for kind, marks in kinds.items() if True in marks} == {
        *("kernel", "x_proj", "dt_proj")
    }
    assert {kind for kind, marks in kinds.items() if False in marks} == {
        *("bias", "scale", "gamma", "A_log", "D", "dt_bias", "skip_scale", "skip_scale2"),
        "agent_bias",
    }


def test_of_the_critics_the_kernels_decay():
    marked: Any = decayed(parameters(init_critic))
    assert {name for name, marks in flatten(marked).items() if marks} == {
        f"{layer}/kernel"
        for layer in ("stem_rgb", "stem_hsv", "trunk_0", "trunk_1", "trunk_2", "trunk_3")
    }


def test_the_schedule_goes_from_the_first_to_the_last_rate():
    optim = OptimConfig()
    schedule = make_schedule(optim, steps=40)
    np.testing.assert_allclose(schedule(0), 1e-4, rtol=1e-6)
    np.testing.assert_allclose(schedule(20), (1e-4 + 1e-6) / 2, rtol=1e-5)
    np.testing.assert_allclose(schedule(40), 1e-6, rtol=1e-4)
    rates = [float(jnp.asarray(schedule(step))) for step in range(41)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("b1", [0.5, 0.9])
def test_three_steps_of_adamw(b1):
    """Against the published algorithm (Loshchilov and Hutter), written out in float64."""
    optim = OptimConfig(learning_rate=0.1, final_learning_rate=0.01, b1=b1, weight_decay=0.3)
    steps = 3
    rng = np.random.default_rng(0)
    start = {"kernel": rng.normal(size=(2, 3)), "bias": rng.normal(size=3)}
    gradients = [{name: rng.normal(size=x.shape) for name, x in start.items()} for _ in range(3)]

    optimizer = make_optimizer(optim, steps=steps)
    params = jax.tree.map(jnp.float32, start)
    opt_state = optimizer.init(params)
    for gradient in gradients:
        updates, opt_state = optimizer.update(
            jax.tree.map(jnp.float32, gradient), opt_state, params
        )
        params = jax.tree.map(jnp.add, params, updates)

    for name, decay in (("kernel", 0.3), ("bias", 0.0)):
        x, m, v = start[name], 0.0, 0.0
        for t, gradient in enumerate(gradients):
            g = gradient[name]
            m, v = b1 * m + (1 - b1) * g, 0.999 * v + 0.001 * g**2
            rate = 0.01 + (0.1 - 0.01) * (1 + np.cos(np.pi * t / steps)) / 2
            direction = m / (1 - b1 ** (t + 1)) / (np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)
            x = x - rate * (direction + decay * x)
        np.testing.assert_allclose(params[name], x, rtol=1e-5)
