"""Inputs that LPIPS refuses; its values are tested in tests/models/test_lpips.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import metrics
from haqagen_jax.models.lpips import Lpips


@pytest.mark.parametrize(
    ("backbone", "shape", "message"),
    [
        ("alex", (1, 30, 40, 3), "30x40 pixels; LPIPS over alex needs at least 31x31"),
        ("vgg", (1, 40, 15, 3), "40x15 pixels; LPIPS over vgg needs at least 16x16"),
        ("alex", (1, 40, 40, 1), "images have 1 channels; LPIPS needs 3"),
        ("squeeze", (1, 40, 40, 3), "backbone = 'squeeze': must be one of alex, vgg"),
    ],
)
def test_unusable_images(backbone, shape, message):
    image = jnp.zeros(shape)
    with pytest.raises(ValueError, match=message):
        metrics.lpips({}, image, image, backbone=backbone)


def test_images_of_two_sizes():
    with pytest.raises(ValueError, match=r"prediction has shape .* and target .*crop or resize"):
        metrics.lpips({}, jnp.zeros((1, 40, 40, 3)), jnp.zeros((1, 40, 41, 3)))


def test_one_float32_value_per_image():
    first, second = np.random.default_rng(0).random((2, 2, 31, 33, 3))
    variables = jax.jit(Lpips("alex").init)(jax.random.key(0), *map(jnp.float32, (first, second)))
    distance = jax.jit(metrics.lpips)
    values = distance(variables, first, second)
    assert (values.shape, values.dtype) == ((2,), jnp.float32)
    assert float(values[0]) != float(values[1])
    backwards = distance(variables, first[::-1], second[::-1])
    np.testing.assert_allclose(backwards, values[::-1], rtol=1e-5)
    swapped = distance(variables, second, first)
    np.testing.assert_allclose(swapped, values, rtol=1e-5)
