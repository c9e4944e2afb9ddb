"""Costs against counts by hand, and against XLA's own."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from haqagen_jax.config.load import load_config
from haqagen_jax.cost import (
    multiplications,
    nbytes,
    tile_multiplications,
    tile_residuals,
)
from haqagen_jax.models.hsv_branch import HsvBranch
from haqagen_jax.ops.conv import conv_transpose4x4
from haqagen_jax.ops.depthwise import depthwise_conv
from haqagen_jax.ops.selective_scan import selective_scan

LAYOUT = ("NHWC", "HWIO", "NHWC")


def _like(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _conv(x, kernel, *, stride: int = 1):
    return lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=LAYOUT)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (lambda x, y: x * y + x, [(4, 5), (4, 5)], 4 * 5),
        (lambda x, y: x @ y, [(4, 5), (5, 6)], 4 * 5 * 6),
        (lambda x, y: jnp.einsum("bij,bjk->bik", x, y), [(3, 4, 5), (3, 5, 6)], 3 * 4 * 5 * 6),
        (_conv, [(2, 9, 8, 3), (3, 3, 3, 7)], 2 * 7 * 6 * 7 * 27),
        (functools.partial(_conv, stride=2), [(1, 9, 9, 4), (3, 3, 4, 5)], 4 * 4 * 5 * 36),
        (depthwise_conv, [(2, 6, 5, 4), (3, 3, 4)], 2 * 6 * 5 * 4 * 9),
        # A 2x2 convolution of four times the outputs, once more than there are rows and columns.
        (conv_transpose4x4, [(1, 6, 5, 3), (4, 4, 3, 2)], 7 * 6 * 8 * 12),
    ],
)
def test_multiplications_by_hand(function, shapes, expected):
    assert multiplications(function, *(_like(*shape) for shape in shapes)) == expected


def test_multiplications_inside_loops_calls_and_recomputation():
    @jax.checkpoint
    def square(x):
        return x * x

    def loop(x):
        return lax.scan(lambda carry, _: (jax.jit(square)(carry), None), x, None, length=7)[0]

    assert multiplications(loop, _like(3)) == 21


@pytest.mark.parametrize("segments", [1, None])
def test_multiplications_of_the_scan_are_those_of_the_recurrence(segments):
    length, k, n, d = 64, 4, 5, 3
    shapes = [(1, length, k, d)] * 2 + [(k, d, n)] + [(1, length, k, n)] * 2 + [(k, d)]
    count = multiplications(
        functools.partial(selective_scan, segments=segments), *(_like(*shape) for shape in shapes)
    )
    # Every state: delta A, decay h, (delta u) B, C h; every channel: delta u, D u.
    assert count == length * (4 * k * n * d + 2 * k * d)


def test_multiplications_of_the_hsv_branch():
    width, side = 16, 32
    network = HsvBranch(width)
    nir = _like(1, side, side, 1)
    variables = jax.eval_shape(network.init, jax.random.key(0), nir)

    def pair(inputs: int, outputs: int, scale: int) -> int:
        pixels = (side // 2**scale) ** 2
        # Depthwise, pointwise, scaling of the norm, slope of the LeakyReLU.
        return pixels * sum(9 * c + c * outputs + 2 * outputs for c in (inputs, outputs))

    widths = [width * 2**scale for scale in range(5)]
    expected = side**2 * (9 * width + width + 9 * width * 3)  # stem, its slope, head
    expected += sum(pair(widths[max(i - 1, 0)], widths[i], i) for i in range(5))
    expected += sum(pair(widths[i] + widths[i + 1], widths[i], i) for i in range(4))
    assert multiplications(network.apply, variables, nir) == expected


def test_multiplications_are_half_of_the_flops_that_xla_counts():
    def network(x, first, second, dense):
        x = jax.nn.relu(_conv(x, first))
        x = jax.nn.relu(_conv(x, second, stride=2))
        return x.mean((1, 2)) @ dense

    shapes = [(2, 17, 17, 3), (3, 3, 3, 16), (3, 3, 16, 24), (24, 10)]
    like = [_like(*shape) for shape in shapes]
    costs = jax.jit(network).lower(*like).compile().cost_analysis()
    assert costs is not None
    # XLA also counts the comparisons and the sums of the mean.
    assert 2 * multiplications(network, *like) == pytest.approx(costs["flops"], rel=0.02)


def test_bytes_of_a_tree():
    tree = {"a": _like(3, 4), "b": [jax.ShapeDtypeStruct((5,), jnp.bfloat16), jnp.zeros((), int)]}
    assert nbytes(tree) == 48 + 10 + 4


def test_cost_of_a_tile_of_the_tiny_preset():
    model = load_config("configs/haqagen.py:tiny").model
    assert tile_multiplications(model) == pytest.approx(1.758e9, rel=0.01)
    # Far more than one map of the last stage's features, far less than every intermediate of the
    # scans: four directions of 128 x 128 pixels, 16 channels and 4 states in float32 are 17 MB.
    assert 20 * 8 * 256 * 256 * 4 < tile_residuals(model) < 1e9
