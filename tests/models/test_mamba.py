import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.mamba import ScanGroup, SelectiveScan2D


def _scan(module) -> dict:
    """PyTorch stacks directions and channels of `A_logs` and `Ds`, and has outputs first."""
    k, _, channels = module["x_proj_weight"].shape
    return {
        **{name: module.dense(name) for name in ("in_proj", "out_proj")},
        "conv2d": module.conv("conv2d"),
        "out_norm": module.norm("out_norm"),
        "x_proj": module["x_proj_weight"].transpose(0, 2, 1),
        "dt_proj": module["dt_projs_weight"].transpose(0, 2, 1),
        "dt_bias": module["dt_projs_bias"],
        "A_log": module["A_logs"].reshape(k, channels, -1),
        "D": module["Ds"].reshape(k, channels),
    }


def _group(module) -> dict:
    block = module.at("layers.0.residual_group.blocks.0")
    agents = block.at("conv_blk")
    return {
        "block": {
            **{name: block[name] for name in ("skip_scale", "skip_scale2")},
            **{name: block.norm(name) for name in ("ln_1", "ln_2")},
            "self_attention": _scan(block.at("self_attention")),
            "squeeze": block.conv("conv.0"),
            "expand_conv": block.conv("conv.2"),
            "conv_blk": {
                **{name: agents.norm(name) for name in ("norm1", "norm2")},
                "attn": agents.at("attn").agent_attention(),
                "fc1": agents.dense("mlp.fc1"),
                "fc2": agents.dense("mlp.fc2"),
            },
        },
        "norm": module.norm("norm"),
        "conv_after_body": module.conv("conv_after_body"),
    }


def test_scan_is_the_published_one(published):
    module = published("ss2d")
    # This one module works channels last, as ours does.
    x, expected = (jnp.asarray(module.arrays[name]) for name in ("in/0", "out/0"))
    result = jax.jit(SelectiveScan2D(d_state=16, expand=2).apply)({"params": _scan(module)}, x)
    np.testing.assert_allclose(result, expected, rtol=0, atol=3e-6 * float(abs(expected).max()))


def test_group_is_the_published_one(published):
    module = published("vss_group")
    network = ScanGroup(d_state=16, expand=2, heads=8, agents=49)
    module.check(jax.jit(network.apply)({"params": _group(module)}, *module.inputs))


@pytest.fixture(scope="module")
def scan() -> tuple[SelectiveScan2D, dict, jax.Array]:
    network = SelectiveScan2D(d_state=4, expand=2)
    x = jax.random.normal(jax.random.key(0), (1, 5, 8, 6))
    return network, jax.jit(network.init)(jax.random.key(1), x), x


def test_initial_values_are_mambas(scan):
    params = scan[1]["params"]
    step = np.logaddexp(0, params["dt_bias"])
    assert step.min() >= 0.999e-3
    assert step.max() <= 1.001e-1
    assert np.median(step) == pytest.approx(1e-2, rel=0.8)
    expected = np.broadcast_to(np.log([1, 2, 3, 4]), (4, 12, 4))
    np.testing.assert_allclose(params["A_log"], expected, rtol=1e-6)
    np.testing.assert_array_equal(params["D"], np.ones((4, 12)))


def test_every_pixel_reaches_every_other(scan):
    network, variables, x = scan
    gradient = jax.jit(jax.grad(lambda x: network.apply(variables, x)[0, 2, 3].sum()))(x)
    assert float(jnp.abs(gradient).max(-1).min()) > 0


def test_low_precision_costs_little(scan):
    _, variables, x = scan
    full, low = (
        jax.jit(SelectiveScan2D(d_state=4, expand=2, dtype=dtype).apply)(variables, x)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert low.dtype == jnp.bfloat16
    scale = float(jnp.abs(full).max())
    np.testing.assert_allclose(low.astype(jnp.float32), full, rtol=0, atol=0.05 * scale)
