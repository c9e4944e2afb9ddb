"""LPIPS against the published code, both with the same seeded backbones and the published heads."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import metrics
from haqagen_jax.interop.torchvision import load_weights, params
from haqagen_jax.models.lpips import BACKBONES, Lpips, _unit

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGES = np.load(GOLDEN / "vgg19_relu4_2.npz")
TRUTH = np.load(GOLDEN / "lpips" / "first.npz")
NETWORKS = {"alex": "alexnet", "vgg": "vgg16"}


@pytest.fixture(scope="module")
def variables(seeded_weights):
    def make(backbone):
        features = params(NETWORKS[backbone], seeded_weights(NETWORKS[backbone], 11))
        heads = load_weights(f"lpips-{backbone}", GOLDEN / "lpips" / f"{backbone}.pth")
        return {"params": {"features": features, "heads": heads}}

    return make


@pytest.mark.parametrize("backbone", NETWORKS)
def test_distances_match_the_published_code(variables, backbone):
    prediction, target = IMAGES["prediction"][:1], TRUTH["target"]
    loaded = variables(backbone)
    distance = jax.jit(metrics.lpips, static_argnames="backbone")
    # Of two equal images in one batch, the first is compared with the second: it must be 0.
    result = distance(
        loaded,
        np.concatenate([prediction, target]),
        np.concatenate([target, target]),
        backbone=backbone,
    )
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result[0], TRUTH[f"lpips_{backbone}"][0], rtol=1e-5)
    assert result[1] == 0


@pytest.mark.parametrize("backbone", NETWORKS)
def test_parameters_fit_the_network(variables, backbone):
    image = jax.ShapeDtypeStruct((2, 40, 50, 3), jnp.float32)
    expected = jax.eval_shape(Lpips(backbone).init, jax.random.key(0), image, image)
    assert jax.tree.map(jnp.shape, variables(backbone)) == jax.tree.map(jnp.shape, expected)


@pytest.mark.parametrize("backbone", NETWORKS)
def test_the_smallest_image_leaves_something_to_compare(backbone):
    smallest = BACKBONES[backbone].smallest

    def maps(height, width):
        """The sizes of the compared maps."""
        image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
        variables = jax.eval_shape(Lpips(backbone).init, jax.random.key(0), image, image)
        capture = lambda v, x: Lpips(backbone).apply(v, x, x, capture_intermediates=True)  # noqa: E731
        _, state = jax.eval_shape(capture, variables, image)
        return [x.shape[1:3] for x in state["intermediates"]["features"]["__call__"][0]]

    assert maps(smallest, smallest)[-1] == (1, 1)
    assert 0 in maps(smallest - 1, smallest)[-1]


def test_slopes_are_finite_where_features_vanish():
    features = jnp.asarray([0.0, 0.0, 3.0, 4.0]).reshape(1, 1, 2, 2)
    np.testing.assert_allclose(_unit(features)[0, 0], [[0, 0], [0.6, 0.8]], rtol=1e-6)
    slope = jax.grad(lambda x: _unit(x).sum())(features)
    assert np.isfinite(slope).all()


def test_a_tiny_feature_is_not_blown_up():
    # The published epsilon stands beside the length: below it, features fade.
    features = jnp.full((1, 1, 1, 1), 1e-10)
    np.testing.assert_allclose(_unit(features), 0.5, rtol=1e-5)
