"""The guided layer in training: what is compared is what a user gets; the trunk learns slower."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from haqagen_jax.config.schema import LossConfig, ModelConfig, OptimConfig
from haqagen_jax.losses.objective import generator_objective
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.ops.color import rgb_to_hsv
from haqagen_jax.ops.guided import guided_filter
from haqagen_jax.train.guided import guided
from haqagen_jax.train.optimizer import in_trunk, make_optimizer


def images(count, channels, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.random((count, 16, 16, channels)), jnp.float32)


@pytest.mark.parametrize("architecture", ["haqagen", "prior"])
def test_colors_are_fitted_and_hsv_follows_where_it_is_made_of_them(architecture):
    encoder = "efficientnet_lite0" if architecture == "prior" else "unet"
    options = {"architecture": architecture, "hsv_encoder": encoder}
    nir, output = images(2, 1), GeneratorOutput(images(2, 3, 1), images(2, 3, 2))
    assert guided(ModelConfig(**options), nir, output) is output
    filtered = guided(ModelConfig(**options, guided=3, guided_eps=1e-2), nir, output)
    expected = guided_filter(nir, output.rgb, radius=3, eps=1e-2)
    np.testing.assert_array_equal(filtered.rgb, expected)
    clipped = rgb_to_hsv(jnp.clip(expected, 0, 1))
    np.testing.assert_array_equal(filtered.hsv, clipped if architecture == "prior" else output.hsv)


def test_the_networks_own_colors_have_a_term():
    loss = LossConfig(mse=2.0, network_mse=0.5, hsv=0.0, feature=0.0, adversarial=0.0)
    rgb_pred, hsv, rgb, network = (images(2, 3, seed) for seed in range(4))
    logits = jnp.zeros((2, 1, 1, 1))
    total, terms = generator_objective(
        *(rgb_pred, hsv, rgb, hsv, logits, logits),
        network_rgb=network,
        texture=None,
        vgg=None,
        loss=loss,
    )
    assert set(terms) == {"mse_rgb", "network_mse_rgb"}
    np.testing.assert_allclose(
        terms["network_mse_rgb"], jnp.square(network - rgb).mean((1, 2, 3)), rtol=1e-6
    )
    expected = 2 * terms["mse_rgb"].mean() + 0.5 * terms["network_mse_rgb"].mean()
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_the_trunk_learns_slower_and_nothing_else_does():
    params = {
        "hsv_branch": {"trunk": {"kernel": jnp.ones((2, 2))}, "head": {"kernel": jnp.ones((2, 2))}},
        "trunk": {"bias": jnp.ones(2)},
    }
    marks = in_trunk(params)
    assert marks == {
        "hsv_branch": {"trunk": {"kernel": True}, "head": {"kernel": False}},
        "trunk": {"bias": True},
    }
    gradients = jax.tree.map(lambda x: 0.1 * jnp.ones_like(x), params)

    def updates(**options):
        optimizer = make_optimizer(OptimConfig(**options), steps=10)
        return optimizer.update(gradients, optimizer.init(params), params)[0]

    plain, slow = updates(), updates(trunk=0.25)
    factors = jax.tree.map(lambda a, b: float((a / b).mean()), slow, plain)
    expected = jax.tree.map(lambda mark: 0.25 if mark else 1.0, marks)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), factors, expected)
    assert isinstance(make_optimizer(OptimConfig(clip=1.0), steps=1), optax.GradientTransformation)
