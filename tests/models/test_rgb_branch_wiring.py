"""How the layers of G_A are connected: every layer's input, from the outputs of the others.

The layers themselves are replaced by noise of the right shape, each its own; so what a layer gets
tells exactly where it came from, and nothing large is computed.
"""

import zlib

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from haqagen_jax.models.criss_cross import CrissCrossFusion
from haqagen_jax.models.layers import Conv3x3, leaky_relu
from haqagen_jax.models.mamba import ScanGroup
from haqagen_jax.models.rgb_branch import RgbBranch, edges
from haqagen_jax.models.spade import DecoderStage, SpadeResnetBlock
from haqagen_jax.ops.normalize import instance_norm
from haqagen_jax.ops.resample import resize_bilinear

WIDTH, HEIGHT, BREADTH = 8, 256, 512
LAYERS = (nn.Conv, Conv3x3, ScanGroup, DecoderStage, SpadeResnetBlock, CrissCrossFusion)


def _size(module: nn.Module, x: Array) -> tuple[int, ...]:
    """The shape of what a layer returns."""
    b, h, w, c = x.shape
    name = module.name or ""
    if name.startswith("down_"):
        h, w = h // 2, w // 2
    if name.startswith("decoder_"):
        h, w = 2 * h, 2 * w
    return (b, h, w, getattr(module, "features", c))


@pytest.fixture(scope="module")
def layers() -> tuple[dict[str, tuple], dict[str, Array]]:
    """What every layer got and what it returned, by name."""
    inputs, outputs = {}, {}

    def replace(call, arguments, keywords, context):
        module = context.module
        if not isinstance(module, LAYERS) or context.method_name != "__call__":
            return call(*arguments, **keywords)
        assert module.name is not None
        assert module.name not in inputs
        rng = np.random.default_rng(zlib.crc32(module.name.encode()))
        # Neither of mean 0 nor of variance 1: a norm changes it.
        noise = 3 * rng.standard_normal(_size(module, arguments[0]), np.float32) + 2
        inputs[module.name], outputs[module.name] = arguments, jnp.asarray(noise)
        return outputs[module.name]

    rng = np.random.default_rng(0)
    nir, hsv = (jnp.asarray(rng.random((1, HEIGHT, BREADTH, c), np.float32)) for c in (1, 3))
    with nn.intercept_methods(replace):
        maps = {level: jnp.full((1, 1, 1, 1), level) for level in range(1, 9) if level != 6}
        branch = RgbBranch(WIDTH, 4, 2, 4)
        outputs["rgb"] = branch.apply({}, nir, hsv, edges(nir), maps, train=False)
    return inputs, outputs | {"nir": nir, "hsv": hsv}


def _equal(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def _level(outputs: dict[str, Array], level: int) -> Array:
    """x1 to x7 of the encoder, and the bottom, which are not normalized at both ends."""
    x = outputs[f"group_{level}" if level <= 3 else f"down_{level}"]
    return instance_norm(x) if 1 < level < 8 else x


def _map(outputs: dict[str, Array], level: int) -> Array:
    return instance_norm(outputs[f"decoder_{level}"])


def _half(x: Array) -> Array:
    return resize_bilinear(x, height=HEIGHT // 2, width=BREADTH // 2)


@pytest.mark.parametrize("level", range(1, 9))
def test_the_encoder(layers, level):
    inputs, outputs = layers
    (got,) = inputs[f"down_{level}"]
    _equal(got, leaky_relu(_level(outputs, level - 1)) if level > 1 else outputs["nir"])
    if level <= 3:
        (got,) = inputs[f"group_{level}"]
        _equal(got, outputs[f"down_{level}"])
    assert outputs[f"down_{level}"].shape[-1] == WIDTH * min(2 ** (level - 1), 8)


@pytest.mark.parametrize("level", range(1, 9))
def test_the_decoder_with_its_skips(layers, level):
    inputs, outputs = layers
    features, condition = inputs[f"decoder_{level}"]
    if level == 6:
        assert condition is None
    else:
        assert float(condition.squeeze()) == level
    if level == 8:
        parts = [_level(outputs, 8)]
    else:
        parts = [_level(outputs, level), _map(outputs, level + 1)]
    if level == 2:
        parts.insert(1, resize_bilinear(_map(outputs, 5), height=HEIGHT // 4, width=BREADTH // 4))
    if level == 1:
        parts[1:1] = [_half(_map(outputs, 5)), _half(_map(outputs, 4))]
    _equal(features, jnp.concatenate(parts, -1))


def test_the_fusion_with_the_edges(layers):
    inputs, outputs = layers
    hsv, guide = inputs["fusion"]
    _equal(hsv, outputs["hsv"])
    _equal(guide, edges(outputs["nir"]))
    features, picture = inputs["cross_block"]
    _equal(features, outputs["decoder_1"])  # the one stage that is not normalized
    _equal(picture, outputs["fusion"])
    (got,) = inputs["fin_out"]
    _equal(got, outputs["cross_block"])
    _equal(outputs["rgb"], 1 / (1 + jnp.exp(-outputs["fin_out"])))


def test_no_layer_is_left_out(layers):
    names = {f"{kind}_{level}" for kind in ("down", "decoder") for level in range(1, 9)}
    names |= {"group_1", "group_2", "group_3", "fusion", "cross_block", "fin_out"}
    assert layers[0].keys() == names
