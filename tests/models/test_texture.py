"""The autoencoder f: the published encoder's features, sizes, and what a pixel can reach."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.texture import TextureAutoencoder

GOLDEN = Path(__file__).parents[1] / "golden" / "parts" / "autoencoder.npz"


@pytest.fixture(scope="module")
def network() -> tuple[TextureAutoencoder, Mapping[str, Any]]:
    model = TextureAutoencoder()
    return model, model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))


def test_encoder_matches_the_published_one_with_six_bands():
    data = np.load(GOLDEN)
    encoder = {
        f"block{i}": {
            "conv": {
                "kernel": data[f"weight/conv{i}.0.1.weight"].transpose(2, 3, 1, 0),
                "bias": data[f"weight/conv{i}.0.1.bias"],
            }
        }
        for i in range(1, 5)
    }
    image = jnp.asarray(data["in/0"].transpose(0, 2, 3, 1))
    variables = {"params": {"encoder": encoder}}
    features: Any = TextureAutoencoder().apply(variables, image, method="encode")
    expected = data["out/0"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)


def test_parameter_tree(network):
    _, variables = network
    shapes = {
        "/".join(str(key.key) for key in path): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if path[-1].key == "kernel"
    }
    assert shapes == {
        "encoder/block1/conv/kernel": (3, 3, 3, 16),
        "encoder/block2/conv/kernel": (3, 3, 16, 32),
        "encoder/block3/conv/kernel": (3, 3, 32, 64),
        "encoder/block4/conv/kernel": (3, 3, 64, 128),
        "decoder/block4/conv/kernel": (3, 3, 128, 64),
        "decoder/block3/conv/kernel": (3, 3, 64, 32),
        "decoder/block2/conv/kernel": (3, 3, 32, 16),
        "decoder/block1/conv/kernel": (3, 3, 16, 3),
    }


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (16, 24), (17, 23), (13, 40)])
def test_sizes(network, size):
    model, variables = network
    image = jnp.full((2, *size, 3), 0.5)
    features = model.apply(variables, image, method="encode")
    assert features.shape == (2, -(-size[0] // 8), -(-size[1] // 8), 128)
    assert model.apply(variables, image).shape == image.shape


def test_features_follow_a_shift_of_eight_pixels(network):
    model, variables = network
    wide = jax.random.uniform(jax.random.key(1), (1, 64, 72, 3))
    left = model.apply(variables, wide[:, :, :64], method="encode")
    right = model.apply(variables, wide[:, :, 8:], method="encode")
    np.testing.assert_allclose(left[:, :, 3:-2], right[:, :, 2:-3], atol=1e-5)
    assert float(jnp.abs(left - right).max()) > 1e-2


def test_replicated_borders_keep_a_flat_image_flat(network):
    model, variables = network
    features = model.apply(variables, jnp.full((1, 24, 32, 3), 0.7), method="encode")
    np.testing.assert_allclose(
        features, jnp.broadcast_to(features[:, :1, :1], features.shape), atol=1e-5
    )


def test_the_reconstruction_sees_the_image_through_the_features_only(network):
    # Without skips, two images with equal features have equal reconstructions.
    model, variables = network
    image = jax.random.uniform(jax.random.key(2), (1, 16, 16, 3))
    silent = jax.tree.map(jnp.zeros_like, variables["params"]["encoder"])
    params = {"encoder": silent, "decoder": variables["params"]["decoder"]}
    first = model.apply({"params": params}, image)
    np.testing.assert_array_equal(first, model.apply({"params": params}, 1.0 - image))
