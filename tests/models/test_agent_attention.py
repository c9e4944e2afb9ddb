from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.agent_attention import AgentAttention, AgentBlock


def test_attention_is_the_published_one(published):
    module = published("agent_attention")
    network = AgentAttention(heads=8, agents=49)
    tokens = module.inputs[0]
    variables = {"params": module.agent_attention()}
    result = jax.jit(network.apply)(variables, tokens.reshape(2, 12, 10, 16))
    module.check(result.reshape(tokens.shape))


@pytest.mark.parametrize("size", [(1, 1), (9, 16)])
def test_maps_smaller_and_larger_than_the_grid_of_agents(size):
    network = AgentBlock(heads=2, agents=49)
    x = jax.random.normal(jax.random.key(0), (1, *size, 4))
    result, variables = jax.jit(network.init_with_output)(jax.random.key(1), x)
    assert result.shape == x.shape
    assert np.isfinite(result).all()
    assert variables["params"]["attn"]["agent_bias"].shape == (2, 49)


def test_every_pixel_reaches_every_other():
    network = AgentAttention(heads=2, agents=49)
    x = jax.random.normal(jax.random.key(0), (1, 9, 12, 4))
    variables = jax.jit(network.init)(jax.random.key(1), x)

    def corner(x):
        result: Any = network.apply(variables, x)
        return result[0, 0, 0].sum()

    gradient = jax.jit(jax.grad(corner))(x)
    assert float(jnp.abs(gradient).max(-1).min()) > 0
