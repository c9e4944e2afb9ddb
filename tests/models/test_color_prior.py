"""G_B on a pretrained trunk: sizes, ranges, and that every parameter takes part."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.models.color_prior import ColorPrior
from haqagen_jax.models.factory import count_parameters, generator_shapes, make_generator
from haqagen_jax.ops.color import rgb_to_hsv

PRIOR = ModelConfig(architecture="prior", hsv_encoder="efficientnet_lite0")


@pytest.fixture(scope="module")
def variables():
    return jax.jit(ColorPrior().init)(jax.random.key(0), jnp.zeros((1, 64, 64, 1)))


def test_colors_and_the_same_as_hsv(variables):
    nir = np.random.default_rng(0).random((2, 64, 96, 1), np.float32)
    output = jax.jit(ColorPrior().apply)(variables, nir)
    assert output.rgb.shape == output.hsv.shape == (2, 64, 96, 3)
    assert output.rgb.dtype == jnp.float32
    assert float(output.rgb.min()) > 0
    assert float(output.rgb.max()) < 1
    np.testing.assert_allclose(output.hsv, rgb_to_hsv(output.rgb), rtol=0, atol=1e-6)


def test_it_is_compact():
    assert isinstance(make_generator(PRIOR), ColorPrior)
    assert count_parameters(generator_shapes(PRIOR)) < 4_000_000


def test_every_parameter_gets_a_gradient(variables):
    nir = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)

    def total(params):
        output: Any = ColorPrior().apply({"params": params}, nir)
        return jnp.square(output.rgb - 0.3).mean()

    gradients = jax.jit(jax.grad(total))(variables["params"])
    sizes = jax.tree.map(lambda x: float(abs(x).max()), gradients)
    assert all(np.isfinite(x) and x > 0 for x in jax.tree.leaves(sizes)), sizes


@pytest.mark.parametrize("size", [(33, 64), (64, 16), (0, 32)])
def test_sizes_that_halve_unevenly_are_refused(variables, size):
    with pytest.raises(ValueError, match=f"nir of {size[0]} x {size[1]}: both must be positive"):
        ColorPrior().apply(variables, jnp.zeros((1, *size, 1)))


def test_the_full_generator_may_be_conditioned_on_it():
    small = ModelConfig(
        width=8, d_state=2, spade_hidden=4, critic_width=4, hsv_encoder="efficientnet_lite0"
    )
    shapes = generator_shapes(small)
    assert "trunk" in shapes["params"]["hsv_branch"]
    assert "rgb_branch" in shapes["params"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hsv_encoder": "resnet"}, "model.hsv_encoder = 'resnet'"),
        ({"architecture": "prior"}, "efficientnet_lite0 for model.architecture = prior"),
        (
            {"architecture": "colormamba", "hsv_encoder": "efficientnet_lite0"},
            "unet for model.architecture = colormamba",
        ),
        ({"guided": -1}, "model.guided = -1"),
        ({"guided_eps": 0.0}, r"model.guided_eps = 0\.0"),
    ],
)
def test_configurations_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        ModelConfig(**options)
