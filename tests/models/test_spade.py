import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.spade import DecoderStage, Spade, SpadeResnetBlock
from haqagen_jax.ops.normalize import instance_norm

CONVOLUTIONS = ("conv_0", "conv_1", "conv_s")
NORMS = ("norm_0", "norm_1", "norm_s")


def _spade(module) -> dict:
    """One convolution paints scale and shift here."""
    gamma, beta = module.conv("mlp_gamma"), module.conv("mlp_beta")
    both = {name: np.concatenate([gamma[name], beta[name]], -1) for name in gamma}
    return {"shared": module.conv("mlp_shared.0"), "gamma_beta": both}


def _block(module) -> tuple[dict, dict]:
    params = {name: _spade(module.at(name)) for name in NORMS if f"{name}.mlp_gamma.bias" in module}
    state = {}
    for name in CONVOLUTIONS:
        parts = [f"{name}.weight_{part}" for part in ("orig", "u", "v")]
        if parts[0] in module:
            params[name], state[name] = module.spectral(*(module[part] for part in parts))
        if f"{name}.bias" in module:
            params[name]["bias"] = module[f"{name}.bias"]
    return params, state


def test_resnet_block_is_the_published_one(published):
    module = published("spade_resblock")
    params, state = _block(module)
    assert sorted(state) == sorted(CONVOLUTIONS)
    apply = jax.jit(SpadeResnetBlock(12, hidden=128).apply, static_argnames="train")
    variables = {"params": params, "spectral": state}
    module.check(apply(variables, *module.inputs, train=False))


def test_decoder_stage_is_the_published_one(published):
    module = published("decoder_stage")
    params, state = _block(module.at("SPADE_color"))
    variables = {
        "params": {"up": module.conv_transpose("block.1"), "spade": params},
        "spectral": {"spade": state},
    }
    apply = jax.jit(DecoderStage(16, hidden=128).apply, static_argnames="train")
    # The published stage ends in an instance norm, which is not part of ours. Its input was stored
    # after the ReLU, which worked in place: what that removed is put back here.
    features, condition = module.inputs
    features = jnp.where(features == 0, -1.0, features)
    module.check(instance_norm(apply(variables, features, condition, train=False)))


@pytest.fixture(scope="module")
def spade() -> tuple[Spade, dict, jax.Array, jax.Array]:
    network = Spade(hidden=16)
    x, condition = (jax.random.normal(jax.random.key(c), (1, 12, 14, c)) for c in (4, 3))
    return network, jax.jit(network.init)(jax.random.key(1), x, condition), x, condition


def _extent(gradient: jax.Array) -> tuple[int, int, int, int]:
    """First and last row and column of where a gradient [1 h w c] is not 0."""
    rows, columns = np.nonzero(np.abs(gradient[0]).max(-1))
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize(
    # Two 3x3 convolutions reach two pixels; half the size, the pixels' own cells; twice the size,
    # the first of the cell's two pixels only, which nearest neighbor takes.
    ("scale", "extent"),
    [(1, (4, 8, 5, 9)), (0.5, (2, 4, 2, 4)), (2, (8, 16, 10, 18))],
)
def test_the_map_is_felt_nearby_only(spade, scale, extent):
    network, variables, x, _ = spade
    size = (int(12 * scale), int(14 * scale))
    condition = jax.random.normal(jax.random.key(5), (1, *size, 3))

    @jax.jit
    def slope(condition):
        return jax.grad(lambda c: jnp.square(network.apply(variables, x, c)[0, 6, 7]).sum())(
            condition
        )

    assert _extent(slope(condition)) == extent


def test_an_unpainted_map_leaves_the_normalized_features(spade):
    network, variables, x, condition = spade
    unpainted = {
        **variables["params"],
        "gamma_beta": jax.tree.map(jnp.zeros_like, variables["params"]["gamma_beta"]),
    }
    result = network.apply({"params": unpainted}, x, condition)
    np.testing.assert_array_equal(result, instance_norm(x))


def test_the_shortcut_is_the_input_itself_where_widths_agree():
    # Without the convolutions' contribution, the block is its shortcut.
    network = SpadeResnetBlock(4, hidden=2)
    x, condition = (jax.random.normal(jax.random.key(c), (1, 4, 6, c)) for c in (4, 3))
    variables = jax.jit(network.init, static_argnames="train")(
        jax.random.key(1), x, condition, train=False
    )
    assert sorted(variables["spectral"]) == ["conv_0", "conv_1"]
    params = {**variables["params"]}
    params["conv_1"] = {**params["conv_1"], "bias": jnp.full((4,), 3.0)}
    params["norm_1"] = jax.tree.map(jnp.zeros_like, params["norm_1"])
    params["norm_1"]["gamma_beta"]["bias"] = jnp.repeat(jnp.array([-1.0, 0.0]), 4)
    apply = jax.jit(network.apply, static_argnames="train")
    result = apply({**variables, "params": params}, x, condition, train=False)
    np.testing.assert_allclose(result, x + 3, rtol=1e-6)
