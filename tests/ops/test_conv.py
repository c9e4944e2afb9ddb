"""The rewritten convolutions against XLA's own, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from haqagen_jax.ops.conv import conv3x3, conv_transpose4x4
from haqagen_jax.ops.depthwise import depthwise_conv

SIZES = [(1, 1), (1, 6), (4, 4), (5, 7), (8, 3)]
LAYOUT = ("NHWC", "HWIO", "NHWC")


def _array(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def _depthwise(x, kernel):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (1, 1),
        ((1, 1), (1, 1)),
        dimension_numbers=LAYOUT,
        feature_group_count=x.shape[-1],
    )


def _transposed(x, kernel):
    """By its definition, as the transpose of a convolution of stride 2 from outputs to inputs."""
    b, h, w, _ = x.shape

    def strided(y):
        return lax.conv_general_dilated(
            y, kernel.swapaxes(2, 3), (2, 2), ((1, 1), (1, 1)), dimension_numbers=LAYOUT
        )

    shape = jax.ShapeDtypeStruct((b, 2 * h, 2 * w, kernel.shape[-1]), x.dtype)
    return jax.linear_transpose(strided, shape)(x)[0]


def _check(function, reference, x, kernel):
    """Values and both gradients; sums of at most a few hundred products each."""

    @jax.jit
    def both(dy):
        (y, back), (expected, reference_back) = (
            jax.vjp(f, x, kernel) for f in (function, reference)
        )
        return list(zip((y, *back(dy)), (expected, *reference_back(dy)), strict=True))

    dy = _array(*jax.eval_shape(reference, x, kernel).shape, seed=2)
    for ours, theirs in both(dy):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * float(abs(theirs).max()))


def _dense(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=LAYOUT)


# The last two are large enough to be taken in bands; the second of them cannot be.
@pytest.mark.parametrize("size", [*SIZES, (64, 65), (66, 63)])
def test_3x3(size):
    _check(conv3x3, _dense, _array(2, *size, 5), _array(3, 3, 5, 4, seed=1))


@pytest.mark.parametrize("size", SIZES)
def test_depthwise(size):
    _check(depthwise_conv, _depthwise, _array(2, *size, 5), _array(3, 3, 5, seed=1))


@pytest.mark.parametrize("size", [(2, 2), (6, 4), (16, 10)])
@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_of_any_odd_side_and_stride(size, side, stride):
    """Against the framework's own grouped convolution and its gradients."""

    def reference(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel[:, :, None],
            (stride, stride),
            "SAME",
            dimension_numbers=LAYOUT,
            feature_group_count=x.shape[-1],
        )

    def ours(x, kernel):
        return depthwise_conv(x, kernel, stride)

    _check(ours, reference, _array(2, *size, 5), _array(side, side, 5, seed=1))


@pytest.mark.parametrize(
    ("size", "inputs", "outputs"), [*((size, 3, 5) for size in SIZES), ((5, 7), 6, 1)]
)
def test_transposed(size, inputs, outputs):
    x, kernel = _array(2, *size, inputs), _array(4, 4, inputs, outputs, seed=1)
    _check(conv_transpose4x4, _transposed, x, kernel)


def test_transposed_scatters_taps():
    # One input, one tap: an output at (2 i + p - 1, 2 j + q - 1), unless outside.
    function = jax.jit(conv_transpose4x4)
    for p in range(4):
        for q in range(4):
            x = np.zeros((1, 3, 2, 1), np.float32)
            kernel = np.zeros((4, 4, 1, 1), np.float32)
            x[0, 1, 0], kernel[p, q] = 3, 5
            expected = np.zeros((6, 4))
            if q > 0:
                expected[2 + p - 1, q - 1] = 15
            y = function(jnp.asarray(x), jnp.asarray(kernel))
            np.testing.assert_array_equal(y[0, :, :, 0], expected)


FUNCTIONS = pytest.mark.parametrize(
    ("function", "kernel"),
    [
        (conv3x3, (3, 3, 4, 2)),
        (depthwise_conv, (3, 3, 4)),
        (conv_transpose4x4, (4, 4, 4, 2)),
    ],
)


@FUNCTIONS
def test_differentiation_keeps_the_inputs_only(function, kernel):
    like = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 32, 32, 4), kernel)]
    kept = jax.eval_shape(lambda x, kernel: jax.vjp(function, x, kernel)[1], *like)
    sizes = sorted(x.size for x in jax.tree.leaves(kept))
    assert sum(sizes) <= sum(x.size for x in like)


@FUNCTIONS
def test_dtype_is_kept(function, kernel):
    def both(x, kernel):
        y, pull_back = jax.vjp(function, x, kernel)
        return y, *pull_back(y)

    low = (jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in ((1, 4, 4, 4), kernel))
    assert {result.dtype for result in jax.eval_shape(both, *low)} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(
    ("function", "kernel"), [(conv3x3, (3, 3, 1, 1)), (depthwise_conv, (3, 3, 1))]
)
def test_low_precision_does_not_reach_the_sums(function, kernel):
    # 5,120 is exact in bfloat16, but counting up to it by eights stops at 2,048.
    ones = jnp.ones((1, 640, 8, 1), jnp.bfloat16)
    kernel = jnp.zeros(kernel, jnp.bfloat16)
    _, slope = jax.jit(lambda x, k, dy: jax.vjp(function, x, k)[1](dy))(ones, kernel, ones)
    assert float(slope[1, 1].squeeze()) == 5120
