import functools

import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import losses, metrics

PAIRS = [
    losses.mse,
    functools.partial(losses.hsv_mse, hue="linear"),
    losses.cdf_l1,
    losses.squared_distance,
    losses.cosine_distance,
    losses.texture_l2,
    losses.texture_cosine,
    losses.vgg_l2,
    losses.hinge_critic,
    metrics.psnr,
    metrics.ssim,
    metrics.ssim_gaussian,
    metrics.angular_error,
    metrics.ciede2000,
]


@pytest.mark.parametrize("function", PAIRS)
@pytest.mark.parametrize("shape", [(1, 12, 12, 3), (2, 12, 12, 1), (12, 12, 3), (2, 12, 1, 3)])
def test_nothing_is_broadcast(function, shape):
    with pytest.raises(ValueError, match=r"has shape \(2, 12, 12, 3\).*crop or resize"):
        function(jnp.zeros((2, 12, 12, 3)), jnp.zeros(shape))


@pytest.mark.parametrize("function", PAIRS)
def test_one_float32_value_per_image_from_numpy_of_any_precision(function):
    first, second = np.random.default_rng(0).random((2, 2, 12, 12, 3))
    value = function(first, second)
    assert value.shape == (2,)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(
        value, function(first.astype(np.float32), second.astype(np.float32)), rtol=1e-6
    )
