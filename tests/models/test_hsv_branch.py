from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from haqagen_jax.models.hsv_branch import HsvBranch


@pytest.fixture(scope="module")
def network() -> tuple[HsvBranch, dict, jax.Array]:
    module = HsvBranch(4)
    nir = jax.random.uniform(jax.random.key(0), (2, 16, 32, 1))
    return module, jax.jit(module.init)(jax.random.key(1), nir), nir


def test_prediction_is_inside_the_unit_interval_and_follows_the_picture(network):
    module, variables, nir = network
    apply = jax.jit(module.apply)
    hsv = apply(variables, nir)
    assert hsv.shape == (2, 16, 32, 3)
    assert 0 < float(hsv.min()) < float(hsv.max()) < 1
    # Each image by itself: nothing is normalized over the batch.
    np.testing.assert_allclose(hsv[::-1], apply(variables, nir[::-1]), atol=1e-6)
    assert float(jnp.abs(hsv[0] - hsv[1]).max()) > 1e-2


def test_convolutions_are_depthwise_or_pointwise(network):
    _, variables, _ = network
    params: dict[tuple, Any] = flatten_dict(variables["params"])
    kernels = {
        "/".join(path[:-1]): kernel.shape for path, kernel in params.items() if path[-1] == "kernel"
    }
    mixing = {name for name, shape in kernels.items() if len(shape) == 4 and shape[2] > 1}
    assert mixing == {"head"}


def test_low_precision_gives_float32():
    nir = jax.ShapeDtypeStruct((1, 16, 32, 1), jnp.float32)
    network = HsvBranch(4, dtype=jnp.bfloat16)
    hsv, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), nir)
    assert hsv.dtype == jnp.float32
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
