"""What is float32 by its docstring is computed in float32 on accelerators too.

There, products of float32 round their factors to fewer bits unless told otherwise; what was told is
in the lowered program, for which no accelerator is needed.
"""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

from haqagen_jax import metrics, ops
from haqagen_jax.models.criss_cross import criss_cross
from haqagen_jax.models.layers import SpectralConv
from haqagen_jax.models.lpips import Lpips
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg


def _like(*shapes: tuple[int, ...]) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]


def _network(network, size: int):
    """A network's forward pass, and its variables and image."""
    (image,) = _like((1, size, size, 3))
    return network.apply, [jax.eval_shape(network.init, jax.random.key(0), image), image]


def _lpips(backbone: str, size: int):
    (image,) = _like((1, size, size, 3))
    variables = jax.eval_shape(Lpips(backbone).init, jax.random.key(0), image, image)
    distance = functools.partial(metrics.lpips, backbone=backbone)
    return distance, [variables, image, image]


def _scan():
    sequence, state = (1, 256, 4, 3), (1, 256, 4, 2)
    return ops.selective_scan, _like(sequence, sequence, (4, 3, 2), state, state, (4, 3))


CASES = {
    "ciede2000": lambda: (metrics.ciede2000, _like((1, 2, 3, 3), (1, 2, 3, 3))),
    "selective_scan": _scan,
    "criss_cross": lambda: (criss_cross, _like((1, 9, 5, 2), (1, 9, 5, 2), (1, 9, 5, 4))),
    "resize_bilinear": lambda: (
        functools.partial(ops.resize_bilinear, height=9, width=7),
        _like((1, 4, 5, 2)),
    ),
    "adaptive_mean": lambda: (
        functools.partial(ops.adaptive_mean, height=7, width=7),
        _like((1, 16, 18, 2)),
    ),
    "texture": lambda: _network(TextureAutoencoder(), 16),
    "vgg": lambda: _network(Vgg(), 16),
    "lpips": lambda: _lpips("alex", 31),
}


def _products(function, arguments, platform: str) -> list[str]:
    """The lines of the lowered program that multiply and add."""
    text = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    return re.findall(r"stablehlo\.(?:dot_general|convolution).*", text)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize("case", CASES)
def test_products_are_not_rounded(case, platform):
    function, arguments = CASES[case]()

    def slopes(*arguments):
        def total(*arguments):
            return jnp.square(function(*arguments)).sum()

        return jax.grad(total, tuple(range(len(arguments))))(*arguments)

    # Some have products in their gradient alone.
    lines = [line for f in (function, slopes) for line in _products(f, arguments, platform)]
    assert lines
    for line in lines:
        assert line.count("HIGHEST") == 2, line


def test_spectral_norms_are_not_rounded():
    network = SpectralConv(4, 3, dtype=jnp.bfloat16)
    (image,) = _like((1, 8, 8, 3))
    variables = jax.eval_shape(
        functools.partial(network.init, train=False), jax.random.key(0), image
    )
    step = functools.partial(network.apply, train=True, mutable=["spectral"])
    lines = _products(step, [variables, image], "cuda")
    dots = [line for line in lines if "dot_general" in line]
    assert len(dots) == 4
    assert all(line.count("HIGHEST") == 2 for line in dots)


def test_a_rounded_product_would_be_seen():
    (line,) = _products(jnp.matmul, _like((2, 3), (3, 4)), "cuda")
    assert "HIGHEST" not in line
