import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.losses import hsv_mse, mse

RNG = np.random.default_rng(0)
PREDICTION, TARGET = RNG.random((2, 3, 5, 4, 3), np.float32)


def test_mse_is_the_mean_of_each_image():
    expected = [((p - t) ** 2).mean() for p, t in zip(PREDICTION, TARGET, strict=True)]
    np.testing.assert_allclose(mse(PREDICTION, TARGET), expected, rtol=1e-5)


def test_linear_hue_is_plain_mse():
    np.testing.assert_array_equal(
        hsv_mse(PREDICTION, TARGET, hue="linear"), mse(PREDICTION, TARGET)
    )


def test_circular_hue_takes_the_shorter_way():
    def distance(p, t):
        hue = min(abs(p[0] - t[0]), 1 - abs(p[0] - t[0]))
        return hue**2 + (p[1] - t[1]) ** 2 + (p[2] - t[2]) ** 2

    pixels = zip(
        PREDICTION.reshape(-1, 3).astype(float), TARGET.reshape(-1, 3).astype(float), strict=True
    )
    expected = np.array([distance(p, t) for p, t in pixels]).reshape(3, 20).mean(1) / 3
    np.testing.assert_allclose(hsv_mse(PREDICTION, TARGET, hue="circular"), expected, rtol=1e-5)


def test_circular_hue_pulls_across_zero():
    prediction = jnp.asarray([0.95, 1.0, 1.0]).reshape(1, 1, 1, 3)
    target = jnp.asarray([0.05, 1.0, 1.0]).reshape(1, 1, 1, 3)
    gradient = jax.grad(lambda x: hsv_mse(x, target, hue="circular").sum())(prediction)
    # The hue must rise through 1, not fall through a half.
    np.testing.assert_allclose(gradient.ravel(), [2 * -0.1 / 3, 0, 0], rtol=1e-4)


@pytest.mark.parametrize("hue", ["linear", "circular"])
def test_equal_images_cost_nothing_and_pull_nowhere(hue):
    value, gradient = jax.value_and_grad(lambda x: hsv_mse(x, TARGET, hue=hue).sum())(
        jnp.asarray(TARGET)
    )
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, np.zeros(TARGET.shape))


def test_half_precision_is_computed_in_single():
    # In bfloat16 the mean of 1,024 equal values would be off in the third digit.
    value = mse(jnp.full((1, 32, 32, 1), 0.3, jnp.bfloat16), jnp.zeros((1, 32, 32, 1)))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, float(jnp.bfloat16(0.3)) ** 2, rtol=1e-6)


def test_unknown_hue_is_named():
    with pytest.raises(ValueError, match="hue is 'round'; it must be 'linear' or 'circular'"):
        hsv_mse(PREDICTION, TARGET, hue="round")
