"""VGG-19 and VGG-16 against torchvision's layers, both with the same seeded weights."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from haqagen_jax.interop.torchvision import params
from haqagen_jax.models.vgg import Vgg

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vgg19_relu4_2.npz")


@pytest.fixture(scope="module")
def state_dict(seeded_weights) -> dict[str, np.ndarray]:
    return seeded_weights("vgg19", int(GOLDEN["seed"]))


def test_features_match_torchvision(state_dict):
    features: Any = Vgg().apply(
        {"params": params("vgg19", state_dict)}, jnp.asarray(GOLDEN["prediction"])
    )
    expected = GOLDEN["vgg19_relu4_2"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_vgg16_is_its_layers_on_the_normalized_image(seeded_weights):
    """torchvision's list, channels first: a pooling stands before layers 5, 10 and 17."""
    tensors = seeded_weights("vgg16", 3)
    image = GOLDEN["prediction"][:1, :40, :48]
    x = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = jnp.asarray(x.transpose(0, 3, 1, 2), jnp.float32)
    for index in (0, 2, 5, 7, 10, 12, 14, 17, 19):
        if index in (5, 10, 17):
            b, c, h, w = x.shape
            x = x.reshape(b, c, h // 2, 2, w // 2, 2).max((3, 5))
        weight, bias = (tensors[f"features.{index}.{part}"] for part in ("weight", "bias"))
        x = lax.conv_general_dilated(x, weight, (1, 1), "SAME") + bias[None, :, None, None]
        x = jnp.maximum(x, 0)
    expected = np.asarray(x).transpose(0, 2, 3, 1)
    features: Any = Vgg("vgg16").apply({"params": params("vgg16", tensors)}, jnp.asarray(image))
    assert features.shape == (1, 5, 6, 512)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.max())


@pytest.mark.parametrize(("network", "layers"), [("vgg19", 10), ("vgg16", 9)])
def test_parameters_fit_the_network(seeded_weights, network, layers):
    image = jax.ShapeDtypeStruct((1, 32, 40, 3), jnp.float32)
    features, variables = jax.eval_shape(Vgg(network).init_with_output, jax.random.key(0), image)
    assert features.shape == (1, 4, 5, 512)
    shapes = jax.tree.map(jnp.shape, variables["params"])
    assert len(shapes) == layers
    actual = jax.tree.map(jnp.shape, params(network, seeded_weights(network, 0)))
    assert {name: actual[name] for name in shapes} == shapes
