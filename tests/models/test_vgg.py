"""VGG-19 against torchvision's features, both with the same seeded weights."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.interop.torchvision import params
from haqagen_jax.models.vgg import Vgg19

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vgg19_relu4_2.npz")


@pytest.fixture(scope="module")
def state_dict(seeded_weights) -> dict[str, np.ndarray]:
    return seeded_weights("vgg19", int(GOLDEN["seed"]))


def test_features_match_torchvision(state_dict):
    features = Vgg19().apply(
        {"params": params("vgg19", state_dict)}, jnp.asarray(GOLDEN["prediction"])
    )
    expected = GOLDEN["vgg19_relu4_2"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_parameters_fit_the_network(state_dict):
    image = jax.ShapeDtypeStruct((1, 32, 40, 3), jnp.float32)
    features, variables = jax.eval_shape(Vgg19().init_with_output, jax.random.key(0), image)
    assert features.shape == (1, 4, 5, 512)
    assert jax.tree.map(jnp.shape, params("vgg19", state_dict)) == jax.tree.map(
        jnp.shape, variables["params"]
    )
