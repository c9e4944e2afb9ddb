"""The scan against the recurrence in float64, one step after the other, and its adjoint."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.ops.scan_xla import INTERVAL
from haqagen_jax.ops.selective_scan import CHUNKS, selective_scan

NAMES = ("u", "delta", "A", "B", "C", "D")
# Around one checkpoint interval and several; more chunks than intervals, and than steps.
LENGTHS_AND_CHUNKS = [
    *((1, 1), (31, 1), (32, 1), (33, 1), (257, 1)),
    *((33, 2), (100, 3), (257, 5)),
    *((2, 5), (100, 128)),
]
BATCH, DIRECTIONS, CHANNELS, STATE = 2, 2, 3, 4


def _inputs(length: int, *, seed: int = 0, channels: int = CHANNELS) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    sequence = (BATCH, length, DIRECTIONS)
    return [
        rng.standard_normal((*sequence, channels)),
        # From steps that hardly move the state to steps that replace it.
        np.exp(rng.uniform(np.log(1e-3), np.log(2), (*sequence, channels))),
        -rng.uniform(0.1, 4, (DIRECTIONS, channels, STATE)),
        rng.standard_normal((*sequence, STATE)),
        rng.standard_normal((*sequence, STATE)),
        rng.standard_normal((DIRECTIONS, channels)),
    ]


def _states(u, delta, A, B) -> np.ndarray:
    """The states before every step and after the last one: [l + 1, b, k, d, n]."""
    states = [np.zeros((u.shape[0], *A.shape), u.dtype)]
    for t in range(u.shape[1]):
        step = delta[:, t, :, :, None]
        drive = step * u[:, t, :, :, None] * B[:, t, :, None]
        states.append(np.exp(step * A) * states[-1] + drive)
    return np.stack(states)


def _reference(u, delta, A, B, C, D) -> np.ndarray:
    states = _states(u, delta, A, B)[1:]
    return np.einsum("blkn,lbkdn->blkd", C, states) + D * u


def _adjoint(u, delta, A, B, C, D, dy) -> list[np.ndarray]:
    """The gradients of (dy * y).sum(), from all states, backwards."""
    states = _states(u, delta, A, B)
    du, ddelta, dA, dB, dC, dD = (np.zeros_like(x) for x in (u, delta, A, B, C, D))
    above = np.zeros_like(states[0])
    for t in reversed(range(u.shape[1])):
        decay = np.exp(delta[:, t, :, :, None] * A)
        grad = above + C[:, t, :, None] * dy[:, t, :, :, None]
        exponent = grad * states[t] * decay
        dC[:, t] = np.einsum("bkd,bkdn->bkn", dy[:, t], states[t + 1])
        dB[:, t] = np.einsum("bkdn,bkd->bkn", grad, delta[:, t] * u[:, t])
        du[:, t] = np.einsum("bkdn,bkn->bkd", grad, B[:, t]) * delta[:, t] + D * dy[:, t]
        ddelta[:, t] = np.einsum("bkdn,bkn->bkd", grad, B[:, t]) * u[:, t]
        ddelta[:, t] += (exponent * A).sum(-1)
        dA += (exponent * delta[:, t, :, :, None]).sum(0)
        dD += (dy[:, t] * u[:, t]).sum(0)
        above = decay * grad
    return [du, ddelta, dA, dB, dC, dD]


@functools.partial(jax.jit, static_argnames=("segments", "method"))
def _value_and_gradients(inputs, dy, *, segments=None, method="auto"):
    run = functools.partial(selective_scan, segments=segments, method=method)
    y, pull_back = jax.vjp(run, *inputs)
    return y, pull_back(dy)


def _single(arrays: list[np.ndarray], dtype=jnp.float32) -> list[jax.Array]:
    return [jnp.asarray(array, dtype) for array in arrays]


def _check(inputs: list[np.ndarray], *, tolerance: float = 3e-6, **options) -> None:
    """Value and six gradients, to `tolerance` of the largest entry of each."""
    inputs = [np.asarray(array, np.float32).astype(np.float64) for array in inputs]
    dy = np.random.default_rng(9).standard_normal(inputs[0].shape)
    dy = np.asarray(dy, np.float32).astype(np.float64)
    y, gradients = _value_and_gradients(_single(inputs), *_single([dy]), **options)
    expected = _reference(*inputs), *_adjoint(*inputs, dy=dy)
    for name, ours, theirs in zip(("y", *NAMES), (y, *gradients), expected, strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(
            ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max() + 1e-30, err_msg=name
        )


@pytest.mark.parametrize("which", range(6), ids=NAMES)
def test_the_reference_adjoint_is_the_derivative_of_the_reference(which):
    # A complex step differentiates without rounding: Im f(x + i h v) / h for a tiny h.
    inputs = _inputs(7)
    direction = np.random.default_rng(1).standard_normal(inputs[which].shape)
    dy = np.random.default_rng(2).standard_normal(inputs[0].shape)
    moved = [array.astype(complex) for array in inputs]
    moved[which] += 1e-30j * direction
    slope = (np.imag(_reference(*moved)) * dy).sum() / 1e-30
    np.testing.assert_allclose(
        (_adjoint(*inputs, dy=dy)[which] * direction).sum(), slope, rtol=1e-11
    )


@pytest.mark.parametrize(("length", "chunks"), LENGTHS_AND_CHUNKS)
def test_value_and_gradients(length, chunks):
    _check(_inputs(length, seed=length), segments=chunks)


# Shapes of above, so that nothing is compiled anew.
EXTREMES = pytest.mark.parametrize(("length", "chunks"), [(33, 1), (100, 3)])


@EXTREMES
def test_states_that_forget_at_once(length, chunks):
    inputs = _inputs(length)
    inputs[1] *= 500  # exp(delta A) underflows to 0 for most steps
    _check(inputs, segments=chunks)


@EXTREMES
def test_states_that_never_forget(length, chunks):
    inputs = _inputs(length)
    inputs[2] = np.full_like(inputs[2], -1e-6)
    _check(inputs, segments=chunks)


@EXTREMES
def test_steps_of_no_size_leave_the_feed_through(length, chunks):
    inputs = _inputs(length)
    inputs[1] = np.zeros_like(inputs[1])
    y, _ = _value_and_gradients(_single(inputs), jnp.zeros(inputs[0].shape), segments=chunks)
    np.testing.assert_array_equal(y, np.float32(inputs[5]) * np.float32(inputs[0]))
    _check(inputs, segments=chunks)


def test_low_precision_inputs_are_scanned_in_float32():
    inputs = _single(_inputs(100), jnp.bfloat16)
    dy = jnp.ones_like(inputs[0], jnp.float32)
    y, gradients = _value_and_gradients(inputs, dy, segments=3)
    assert y.dtype == jnp.float32
    assert all(gradient.dtype == jnp.bfloat16 for gradient in gradients)
    # The same values, which bfloat16 holds exactly: the inputs' rounding is all that it costs.
    expected = _reference(*(np.asarray(x, np.float64) for x in inputs))
    np.testing.assert_allclose(y, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_default_on_a_cpu_is_the_sequential_form():
    inputs, dy = _single(_inputs(33)), jnp.ones((BATCH, 33, DIRECTIONS, CHANNELS))
    default = _value_and_gradients(inputs, dy, segments=None)
    jax.tree.map(
        np.testing.assert_array_equal, default, _value_and_gradients(inputs, dy, segments=1)
    )


@pytest.mark.parametrize("method", ["sequential", "chunked", "pallas"])
@pytest.mark.parametrize(
    ("length", "channels", "state"), [(1, 1, 1), (7, 3, 4), (64, 33, 3), (130, 32, 16)]
)
def test_every_method(method, length, channels, state):
    rng = np.random.default_rng(length)
    inputs = _inputs(length, seed=length, channels=channels)
    shape = (BATCH, length, DIRECTIONS, state)
    inputs[2] = -rng.uniform(0.1, 4, (DIRECTIONS, channels, state))
    inputs[3:5] = rng.standard_normal(shape), rng.standard_normal(shape)
    _check(inputs, method=method)


@pytest.mark.parametrize("chunks", [1, 3])
def test_the_kernels_in_several_chunks(chunks):
    _check(_inputs(100), method="pallas", segments=chunks)


# JAX 0.12 announces that Pallas will drop this way to compile for GPUs; until then it is the one
# that can be checked without them.
TRITON = pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated")


@TRITON
@pytest.mark.parametrize("state", [4, 16])
def test_the_kernels_lower_for_nvidia_gpus(state):
    """Forward and backward, each in two kernels, without such a machine."""

    def total(*inputs):
        return selective_scan(*inputs, method="pallas", segments=4).sum()

    shapes = _shapes(256, state=state, channels=64)
    for function, kernels in ((total, 2), (jax.grad(total, argnums=tuple(range(6))), 4)):
        lowered = jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",))
        assert lowered.as_text().count("triton") == kernels


# The package shows the function under the name of its module.
MODULE = importlib.import_module("haqagen_jax.ops.selective_scan")


@TRITON
@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_the_kernels_are_for_who_asks_for_them(platform):
    traced = jax.jit(selective_scan).trace(*_shapes(256, state=4, channels=32))
    assert "triton" not in traced.lower(lowering_platforms=(platform,)).as_text()


def test_the_choice_is_logged_once(caplog):
    MODULE._log_once.cache_clear()
    with caplog.at_level("INFO", logger="haqagen_jax"):
        for length in (4, 5):
            selective_scan(*_single(_inputs(length)))
    assert [record.message for record in caplog.records] == [
        "selective scan: sequential on a CPU, chunked elsewhere"
    ]


def test_other_methods_are_refused():
    with pytest.raises(ValueError, match="method = 'fast': must be one of auto, sequential, chunk"):
        selective_scan(*_single(_inputs(4)), method="fast")


def test_segments_below_one_are_refused():
    with pytest.raises(ValueError, match="segments = 0: must be 1 or more"):
        selective_scan(*_single(_inputs(4)), segments=0)


def _shapes(length: int, *, state: int, channels: int) -> list[jax.ShapeDtypeStruct]:
    k = 4
    shapes = (
        *((1, length, k, channels),) * 2,
        (k, channels, state),
        *((1, length, k, state),) * 2,
        (k, channels),
    )
    return [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]


def test_default_elsewhere_scans_chunks_side_by_side():
    function = jax.jit(selective_scan)
    lowered = {
        platform: jax.export.export(function, platforms=[platform])(
            *_shapes(2 * INTERVAL * CHUNKS, state=4, channels=3)
        ).mlir_module()
        for platform in ("cpu", "cuda", "tpu")
    }
    states = f"tensor<{CHUNKS}x1x4x4x3xf32>"
    assert {platform: states in text for platform, text in lowered.items()} == {
        "cpu": False,
        "cuda": True,
        "tpu": True,
    }


def _steps(jaxpr) -> int:
    """Loop iterations that run one after the other."""
    total = 0
    for equation in jaxpr.eqns:
        bodies = (getattr(x, "jaxpr", x) for x in equation.params.values())
        inner = sum(_steps(body) for body in bodies if hasattr(body, "eqns"))
        if equation.primitive.name == "scan":
            inner = equation.params["length"] * max(inner, 1)
        total += inner
    return total


@pytest.mark.parametrize(
    # One sweep summarizes every chunk, unless there is only one, and one gives the outputs;
    # backwards, one recomputes the states too. Nothing loops over chunks.
    ("chunks", "forward", "both"),
    [(1, 1024, 3 * 1024), (8, 2 * 128, 5 * 128), (32, 2 * 32, 5 * 32)],
)
def test_steps_that_wait_for_one_another(chunks, forward, both):
    def total(*inputs):
        return selective_scan(*inputs, segments=chunks).sum()

    shapes = _shapes(1024, state=4, channels=3)
    assert _steps(jax.make_jaxpr(total)(*shapes).jaxpr) == forward
    gradient = jax.grad(total, argnums=tuple(range(6)))
    assert _steps(jax.make_jaxpr(gradient)(*shapes).jaxpr) == both


@pytest.mark.parametrize(("chunks", "share"), [(1, 8), (8, 3)])
def test_differentiation_does_not_keep_all_states(chunks, share):
    length, state, channels = 4096, 64, 64

    def total(*inputs):
        return selective_scan(*inputs, segments=chunks).sum()

    gradient = jax.jit(jax.grad(total, argnums=tuple(range(6))))
    compiled = gradient.lower(*_shapes(length, state=state, channels=channels)).compile()
    all_states = length * 4 * state * channels * 4
    memory = compiled.memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes < all_states / share
