"""The parts of ColorMamba's generator that HAQAGen's lacks; tests/interop has the published one."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from scipy import ndimage

from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models import hsv_unet
from haqagen_jax.models.agent_attention import WindowBias
from haqagen_jax.models.colormamba import line_edges
from haqagen_jax.models.factory import count_parameters, init_generator, make_generator
from haqagen_jax.models.layers import ConvTranspose2x2Up

PAPER = ModelConfig(architecture="colormamba", hsv_width=32)


def test_as_many_parameters_as_published():
    shapes = jax.eval_shape(lambda key: init_generator(key, PAPER), jax.random.key(0))
    counts = {name: count_parameters(tree) for name, tree in shapes["params"].items()}
    assert counts == {"rgb_branch": 72_140_316, "hsv_branch": 28_103_819}


def test_edges_of_the_unet():
    nir = np.random.default_rng(0).random((2, 9, 7, 1), np.float32)
    kernel = np.full((1, 3, 3, 1), -1.0)
    kernel[0, 1, 1, 0] = 8
    expected = ndimage.correlate(nir.astype(np.float64), kernel, mode="constant")
    np.testing.assert_allclose(hsv_unet.edges(jnp.asarray(nir)), expected, atol=3e-6)


def test_edges_of_the_fusion_run_down_the_columns():
    nir = np.random.default_rng(1).random((2, 9, 7, 1), np.float32)
    levels = np.trunc(nir.astype(np.float64) * 255)
    second = ndimage.correlate1d(levels, [1, -2, 1], axis=1, mode="mirror")
    low, high = second.min((1, 2), keepdims=True), second.max((1, 2), keepdims=True)
    expected = (second - low) / (high - low)
    np.testing.assert_allclose(line_edges(jnp.asarray(nir)), expected, atol=1e-6)
    flat = line_edges(jnp.full((1, 9, 7, 1), 0.5))
    np.testing.assert_array_equal(flat, np.zeros((1, 9, 7, 1)))


def test_pictures_of_a_batch_do_not_meet():
    nir = np.random.default_rng(2).random((3, 8, 8, 1), np.float32)
    apart = np.concatenate([line_edges(jnp.asarray(nir[i : i + 1])) for i in range(3)])
    np.testing.assert_array_equal(line_edges(jnp.asarray(nir)), apart)


def test_transposed_convolution_of_two():
    rng = np.random.default_rng(3)
    x, kernel = rng.standard_normal((1, 3, 4, 2)), rng.standard_normal((2, 2, 2, 5))
    expected = np.zeros((1, 6, 8, 5))
    for i, j, p, q in np.ndindex(3, 4, 2, 2):
        expected[0, 2 * i + p, 2 * j + q] = x[0, i, j] @ kernel[p, q] + np.arange(5)
    params = {"kernel": jnp.float32(kernel), "bias": jnp.arange(5.0)}
    result: Any = ConvTranspose2x2Up(5).apply({"params": params}, jnp.float32(x))
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_biases_that_are_read():
    rng = np.random.default_rng(4)
    like = jax.eval_shape(WindowBias(2, 3).init, jax.random.key(0))["params"]
    params = {
        name: jnp.asarray(rng.standard_normal(x.shape, np.float32)) for name, x in like.items()
    }
    result: Any = WindowBias(2, 3).apply({"params": params})
    for head, agent in np.ndindex(2, 3):
        # Bilinear resizing of 7 x 7 to 1 x 1 takes the sample in the middle.
        expected = params["na_bias"][head, agent, 3, 3]
        expected += (
            params["ha_bias"][0, head, 0, 0, agent] + params["wa_bias"][0, head, 0, 0, agent]
        )
        assert float(result[head, agent]) == pytest.approx(float(expected), abs=1e-6)
    assert sum(x.size for x in jax.tree.leaves(params)) == 2 * 3 * (2 * 49 + 4)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_value_comes_with_the_picture_or_is_the_picture(channels):
    network = make_generator(ModelConfig(architecture="colormamba", width=8, hsv_width=4))
    seen = []

    def watch(call, arguments, keywords, context):
        if isinstance(context.module, hsv_unet.HsvUnet) and context.method_name == "__call__":
            seen.append(arguments)
            raise StopIteration
        return call(*arguments, **keywords)

    nir = jnp.asarray(np.random.default_rng(5).random((1, 256, 256, channels), np.float32))
    with nn.intercept_methods(watch), pytest.raises(StopIteration):
        network.apply({}, nir)
    first, hsv = seen[0]
    np.testing.assert_array_equal(first, nir[..., :1])
    np.testing.assert_array_equal(hsv[..., :2], np.zeros((1, 256, 256, 2)))
    np.testing.assert_array_equal(hsv[..., 2:], nir[..., -1:])


def test_other_sizes_are_refused():
    network = make_generator(ModelConfig(architecture="colormamba", width=8, hsv_width=4))
    with pytest.raises(ValueError, match="nir of 128 x 256: both must be positive multiples"):
        network.apply({}, jnp.zeros((1, 128, 256, 1)), jnp.zeros((1, 128, 256, 3)))


@pytest.mark.slow
def test_every_parameter_that_is_read_gets_a_gradient():
    network = make_generator(ModelConfig(architecture="colormamba", width=8, hsv_width=4))
    nir = jax.random.uniform(jax.random.key(0), (1, 256, 256, 1))
    variables = jax.jit(network.init)(jax.random.key(1), nir)
    # At its start nothing flows through the attention of the fusion.
    variables["params"]["rgb_branch"]["cross_block"]["gamma"] = jnp.ones(())
    weights = jax.random.normal(jax.random.key(2), (2, 1, 256, 256, 3))

    def project(params: dict) -> jax.Array:
        output, _ = network.apply(
            {**variables, "params": params}, nir, train=True, mutable=["batch_stats", "spectral"]
        )
        return (weights[0] * output.hsv + weights[1] * output.rgb).sum()

    gradients: dict[str, Any] = flatten_dict(
        jax.jit(jax.grad(project))(variables["params"]), sep="/"
    )
    largest = {path: float(jnp.abs(gradient).max()) for path, gradient in gradients.items()}
    assert all(np.isfinite(value) for value in largest.values())
    unread = {path for path, value in largest.items() if value == 0}
    assert {path.rpartition("/")[2] for path in unread} == {"an_bias", "ah_bias", "aw_bias"}
    # Of the grid, the sample in the middle.
    name = "rgb_branch/group_1/block/conv_blk/attn/window/na_bias"
    assert {(3, 3)} == {(int(i), int(j)) for *_, i, j in np.argwhere(np.asarray(gradients[name]))}
    # A bias before an instance norm does nothing.
    before_norm = [path for path in largest if path.endswith(("down_5/bias", "up_4/bias"))]
    assert len(before_norm) == 2
    assert max(largest[path] for path in before_norm) < 1e-3 * max(largest.values())
