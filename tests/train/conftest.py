"""A generator of three layers, for tests of what surrounds the networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from haqagen_jax.models import factory
from haqagen_jax.models.generator import Generator, GeneratorOutput
from haqagen_jax.models.layers import SpectralConv


class StandIn(Generator):
    """Has the arguments and all the collections of the true generator, and compiles at once."""

    @nn.compact
    def __call__(self, nir: jax.Array, *, train: bool = False) -> GeneratorOutput:
        hsv = jax.nn.sigmoid(nn.Conv(3, (3, 3), name="hsv_branch")(nir))
        both = jnp.concatenate([nir, hsv], -1)
        x = SpectralConv(4, 3, use_bias=False, name="spectral_conv")(both, train=train)
        x = nn.leaky_relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return GeneratorOutput(jax.nn.sigmoid(nn.Conv(3, (1, 1), name="rgb_branch")(x)), hsv)


@pytest.fixture(scope="session")
def small_generator() -> type[Generator]:
    """The small generator's class, for fixtures that outlive a test."""
    return StandIn


@pytest.fixture
def stand_in(monkeypatch, small_generator) -> None:
    """Puts the small generator in the place of the true one."""
    monkeypatch.setattr(factory, "Generator", small_generator)
