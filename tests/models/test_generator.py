"""The generator as a whole; its parts have tests of their own."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.interpreters import partial_eval

from haqagen_jax import paper
from haqagen_jax.config.load import load_config
from haqagen_jax.models.criss_cross import CrissCrossFusion
from haqagen_jax.models.factory import init_generator, make_generator
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.models.hsv_branch import HsvBranch
from haqagen_jax.models.layers import SpectralConv
from haqagen_jax.models.spade import DecoderStage, SpadeResnetBlock

MODEL = load_config("configs/haqagen.py:tiny").model
NETWORK = make_generator(MODEL)
STAGES = [f"decoder_{level}" for level in range(1, paper.LEVELS + 1)]


@pytest.fixture(scope="module")
def shapes() -> dict:
    return jax.eval_shape(functools.partial(init_generator, model=MODEL), jax.random.key(0))


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def _fill(shapes: dict) -> dict:
    """Values under which every part matters, without compiling the initialization."""
    rng = np.random.default_rng(0)
    constants = {"scale": 1, "skip_scale": 1, "skip_scale2": 1, "D": 1, "var": 1, "gamma": 0.5}
    constants |= {"dt_bias": -3, "A_log": 0, "mean": 0, "bias": 0}
    values = {}
    leaves: dict[tuple, Any] = flatten_dict(shapes)
    for path, like in leaves.items():
        if path[-1] in constants:
            values[path] = np.full(like.shape, constants[path[-1]], np.float32)
        elif path[0] == "params":
            fan_in = max(1, np.prod(like.shape[:-1]))
            values[path] = np.float32(rng.standard_normal(like.shape) * fan_in**-0.5)
    leaves = flatten_dict(shapes["spectral"])
    for path, like in leaves.items():
        kernel = values["params", *path[:-1], "kernel"]
        matrix = kernel.reshape(-1, kernel.shape[-1])
        # A good enough singular pair: u from the row of largest norm.
        u = _unit(matrix[np.square(matrix).sum(1).argmax()])
        pair = {"u": u, "v": _unit(matrix @ u)}
        values["spectral", *path] = pair[path[-1]]
        assert pair[path[-1]].shape == like.shape
    return unflatten_dict(values)


@jax.jit
def _forward(variables: Any, nir: Any, bumps: Any) -> GeneratorOutput:
    """The generator with a number added to each decoder stage's own copy of the HSV map."""

    def bumped(call, arguments, keywords, context):
        if isinstance(context.module, DecoderStage) and context.method_name == "__call__":
            x, condition = arguments
            assert context.module.name is not None
            arguments = (x, condition + bumps[STAGES.index(context.module.name)])
        return call(*arguments, **keywords)

    with nn.intercept_methods(bumped):
        output: Any = NETWORK.apply(variables, nir)
        return output


@pytest.fixture(scope="module")
def run(shapes):
    variables = _fill(shapes)
    nir = np.random.default_rng(1).random((1, 256, 512, 1), np.float32)
    return lambda bumps: _forward(variables, nir, bumps)


@pytest.fixture(scope="module")
def plain(run) -> GeneratorOutput:
    return run(np.zeros(paper.LEVELS, np.float32))


def test_a_wide_picture_is_colored(plain):
    for image in plain:
        assert image.shape == (1, 256, 512, 3)
        assert image.dtype == jnp.float32
        assert 0 < float(image.min()) < float(image.max()) < 1


@pytest.mark.parametrize("stage", range(paper.LEVELS), ids=STAGES)
def test_every_decoder_stage_is_steered_by_its_map(plain, run, stage):
    result = run(np.float32(0.5) * np.eye(paper.LEVELS, dtype=np.float32)[stage])
    np.testing.assert_array_equal(result.hsv, plain.hsv)
    assert float(jnp.abs(result.rgb - plain.rgb).max()) > 1e-3


def test_every_map_is_the_hsv_prediction(shapes):
    conditions = {}

    def watch(call, arguments, keywords, context):
        result = call(*arguments, **keywords)
        module = context.module
        if isinstance(module, HsvBranch):
            conditions["hsv"] = result
        if isinstance(module, DecoderStage):
            conditions[module.name] = arguments[1]
        if isinstance(module, SpadeResnetBlock) and module.name == "fusion":
            conditions["fusion"] = arguments[0]
        return result

    with nn.intercept_methods(watch):
        jax.eval_shape(NETWORK.apply, shapes, _nir(256, 256))
    hsv = conditions.pop("hsv")
    assert sorted(conditions) == sorted([*STAGES, "fusion"])
    assert all(value is hsv for value in conditions.values())


@pytest.mark.parametrize("conditioned", [True, False])
def test_without_spade_the_colors_do_not_know_the_hsv_prediction(shapes, conditioned):
    network = NETWORK.clone(hsv_spade=conditioned)
    params = dict(shapes["params"])

    def rgb(hsv_branch: Any, rest: Any, nir: Any) -> Any:
        variables = {**shapes, "params": {**rest, "hsv_branch": hsv_branch}}
        # Constants instead of the inputs that are not asked about.
        variables |= {k: jax.tree.map(jnp.ones_like, shapes[k]) for k in shapes if k != "params"}
        output: Any = network.apply(variables, nir)
        return output.rgb

    branch = params.pop("hsv_branch")
    jaxpr = jax.make_jaxpr(rgb)(branch, params, _nir(256, 256)).jaxpr
    _, used = partial_eval.dce_jaxpr(jaxpr, [True])
    of_branch = used[: len(jax.tree.leaves(branch))]
    assert of_branch == [conditioned] * len(of_branch)
    # The parameters are the same, so the comparison is fair.
    other = jax.eval_shape(
        functools.partial(init_generator, model=dataclasses.replace(MODEL, hsv_spade=conditioned)),
        jax.random.key(0),
    )
    assert jax.tree.map(jnp.shape, other) == jax.tree.map(jnp.shape, shapes)


def _nir(height: int, width: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, height, width, 1), jnp.float32)


@pytest.mark.parametrize("size", [(128, 256), (256, 300), (0, 256)])
def test_other_sizes_are_refused(shapes, size):
    message = f"nir of {size[0]} x {size[1]}: both must be positive multiples of 256"
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(NETWORK.apply, shapes, _nir(*size))


def test_low_precision_gives_float32(shapes):
    network = NETWORK.clone(dtype=jnp.bfloat16)
    output = jax.eval_shape(network.apply, shapes, _nir(256, 256))
    assert [x.dtype for x in output] == [jnp.float32] * 2


@pytest.mark.parametrize("train", [False, True])
def test_every_part_is_told_whether_it_trains(shapes, train):
    told = []

    def watch(call, arguments, keywords, context):
        if isinstance(context.module, SpectralConv | CrissCrossFusion):
            told.append(keywords["train"])
        return call(*arguments, **keywords)

    apply = functools.partial(NETWORK.apply, train=train, mutable=["batch_stats", "spectral"])
    with nn.intercept_methods(watch):
        _, state = jax.eval_shape(apply, shapes, _nir(256, 256))
    vectors = jax.tree.leaves(shapes["spectral"])
    assert told == [train] * (len(vectors) // 2 + 1)
    assert state == {name: shapes[name] for name in ("batch_stats", "spectral")}
