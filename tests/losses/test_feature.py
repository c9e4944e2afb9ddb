import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import losses

RNG = np.random.default_rng(0)
PREDICTION, TARGET = RNG.standard_normal((2, 2, 6, 5, 7)).astype(np.float32)
DISTANCES = [
    losses.squared_distance,
    losses.cosine_distance,
    losses.texture_l2,
    losses.texture_cosine,
    losses.vgg_l2,
]


def _normalized(features):
    """Instance norm in float64, one channel of one image at a time."""
    result = np.zeros(features.shape)
    for b in range(features.shape[0]):
        for c in range(features.shape[3]):
            plane = features[b, :, :, c].astype(np.float64)
            result[b, :, :, c] = (plane - plane.mean()) / np.sqrt(plane.var() + 1e-5)
    return result


def _cosine(prediction, target):
    """1 - cos in float64, one pixel at a time."""
    images = []
    for p, t in zip(prediction.astype(float), target.astype(float), strict=True):
        pixels = zip(p.reshape(-1, p.shape[-1]), t.reshape(-1, t.shape[-1]), strict=True)
        images.append(np.mean([1 - a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in pixels]))
    return np.array(images)


def _squared(prediction, target):
    return ((prediction.astype(float) - target) ** 2).mean((1, 2, 3))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (losses.squared_distance, _squared(PREDICTION, TARGET)),
        (losses.vgg_l2, _squared(PREDICTION, TARGET)),
        (losses.cosine_distance, _cosine(PREDICTION, TARGET)),
        (losses.texture_l2, _squared(_normalized(PREDICTION), _normalized(TARGET))),
        (losses.texture_cosine, _cosine(_normalized(PREDICTION), _normalized(TARGET))),
    ],
)
def test_distance_follows_its_definition(function, expected):
    np.testing.assert_allclose(function(PREDICTION, TARGET), expected, rtol=1e-5)


@pytest.mark.parametrize("factor", [3.0, 1e-2, 1e3])
def test_cosine_ignores_length(factor):
    value = losses.cosine_distance(factor * PREDICTION, PREDICTION)
    np.testing.assert_allclose(value, 0, atol=1e-4)


def test_cosine_of_opposite_vectors_is_two():
    np.testing.assert_allclose(losses.cosine_distance(PREDICTION, -PREDICTION), 2, rtol=1e-5)


def test_cosine_sees_small_angles():
    # 1 - cos of 1e-3 rad is 5e-7: subtracting float32 numbers near 1 would lose half the digits.
    angle = 1e-3
    prediction = jnp.asarray([1.0, 0.0]).reshape(1, 1, 1, 2)
    target = jnp.asarray([np.cos(angle), np.sin(angle)], jnp.float32).reshape(1, 1, 1, 2)
    value = losses.cosine_distance(prediction, target)
    np.testing.assert_allclose(value, 1 - np.cos(angle), rtol=1e-3)


@pytest.mark.parametrize("function", DISTANCES)
@pytest.mark.parametrize("features", [PREDICTION, np.zeros_like(PREDICTION)], ids=["any", "zero"])
def test_equal_features_cost_nothing_and_pull_nowhere(function, features):
    value, gradient = jax.value_and_grad(lambda x: function(x, features).sum())(
        jnp.asarray(features)
    )
    assert float(value) == 0
    np.testing.assert_allclose(gradient, np.zeros(features.shape), atol=1e-6)


@pytest.mark.parametrize("function", DISTANCES)
def test_gradient_is_finite_over_magnitudes(function):
    magnitudes = np.array([0, 1e-30, 1e-10, 1e-5, 1, 1e5, 1e10], np.float32)
    scaled = jnp.asarray(magnitudes[:, None, None, None] * PREDICTION[:1])
    target = jnp.asarray(np.repeat(TARGET[:1], len(magnitudes), 0))
    for pair in ((scaled, target), (target, scaled)):
        for gradient in jax.grad(lambda p, t: function(p, t).sum(), (0, 1))(*pair):
            assert np.isfinite(gradient).all()


def test_constant_features_have_a_finite_gradient():
    gradient = jax.grad(lambda x: losses.texture_cosine(x, TARGET).sum())(jnp.ones(TARGET.shape))
    assert np.isfinite(gradient).all()
