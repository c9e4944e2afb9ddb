import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.models.criss_cross import CrissCrossFusion, criss_cross

PAIRS = {
    "query": "query_conv",
    "key": "key_conv",
    "value": "value_conv",
    "skip": "conv_skip",
}


def test_fusion_is_the_published_one(published):
    module = published("criss_cross_attention")
    params = {
        ours: {
            "conv_0": module.conv(f"{theirs}.0"),
            "norm": module.norm(f"{theirs}.2"),
            "conv_1": module.conv(f"{theirs}.3"),
        }
        for ours, theirs in PAIRS.items()
    }
    statistics = {
        ours: {
            "norm": {
                "mean": module[f"{theirs}.2.running_mean"],
                "var": module[f"{theirs}.2.running_var"],
            }
        }
        for ours, theirs in PAIRS.items()
    }
    variables = {
        "params": {**params, "gamma": module["gamma"][0]},
        "batch_stats": statistics,
    }
    apply = jax.jit(CrissCrossFusion().apply, static_argnames="train")
    module.check(apply(variables, *module.inputs, train=False))


def _maps(height: int, width: int, *, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    query, key = scale * rng.standard_normal((2, 2, height, width, 3))
    return [query, key, rng.standard_normal((2, height, width, 4))]


def _reference(query, key, value, *, module=np):
    """All pixels against all pixels, with those outside the cross left out."""
    _, h, w, _ = query.shape
    place = np.arange(h * w)
    row, column = place // w, place % w
    crossing = (row[:, None] == row) | (column[:, None] == column)
    q, k, v = (x.reshape(x.shape[0], h * w, -1) for x in (query, key, value))
    scores = module.where(crossing[None], module.einsum("bic,bjc->bij", q, k), -1e9)
    weights = module.exp(scores - scores.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    return (weights @ v).reshape(value.shape)


@pytest.mark.parametrize("size", [(5, 7), (1, 6), (6, 1), (11, 4)])
def test_attention_over_the_cross_counts_the_pixel_itself_once(size):
    maps = _maps(*size)
    result = jax.jit(criss_cross)(*(jnp.asarray(x, jnp.float32) for x in maps))
    np.testing.assert_allclose(result, _reference(*maps), rtol=0, atol=3e-6)


def test_sharp_attention_neither_overflows_nor_blurs():
    maps = _maps(5, 6, scale=30)
    result = jax.jit(criss_cross)(*(jnp.asarray(x, jnp.float32) for x in maps))
    # Scores near 1,000 hold about 1e-4 in float32.
    np.testing.assert_allclose(result, _reference(*maps), rtol=0, atol=1e-3)


def test_gradients_are_those_of_the_dense_form():
    maps = [jnp.asarray(x, jnp.float32) for x in _maps(9, 6)]
    weights = jnp.asarray(np.random.default_rng(1).standard_normal((2, 9, 6, 4)), jnp.float32)

    @jax.jit
    def gradients(*maps):
        ours = jax.grad(lambda *x: (criss_cross(*x) * weights).sum(), (0, 1, 2))
        theirs = jax.grad(lambda *x: (_reference(*x, module=jnp) * weights).sum(), (0, 1, 2))
        return ours(*maps), theirs(*maps)

    for ours, theirs in zip(*gradients(*maps), strict=True):
        scale = float(jnp.abs(theirs).max())
        assert scale > 0.1
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6 * scale)


def test_scores_of_the_whole_map_are_never_held():
    side, channels = 128, 4
    like = [jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)] * 3
    gradient = jax.jit(jax.grad(lambda *x: criss_cross(*x).sum(), (0, 1, 2)))
    scores = side * side * 2 * side * 4
    memory = gradient.lower(*like).compile().memory_analysis()
    assert memory is not None
    temporary = memory.temp_size_in_bytes
    assert temporary < scores / 2, (temporary, scores)


@pytest.fixture(scope="module")
def fusion() -> tuple[CrissCrossFusion, dict, tuple[jax.Array, jax.Array]]:
    key = jax.random.key(0)
    features, picture = (jax.random.normal(key, (2, 6, 5, c)) for c in (8, 3))
    network = CrissCrossFusion()
    init = jax.jit(network.init, static_argnames="train")
    return network, init(key, features, picture, train=False), (features, picture)


def test_attention_starts_switched_off(fusion):
    network, variables, maps = fusion

    @jax.jit
    def outputs(gamma):
        params = {**variables["params"], "gamma": gamma}
        fused, parts = network.apply(
            {**variables, "params": params},
            *maps,
            train=False,
            capture_intermediates=True,
            mutable=["intermediates"],
        )
        return fused, parts["intermediates"]["skip"]["__call__"][0]

    assert variables["params"]["gamma"] == 0
    fused, joined = outputs(jnp.zeros(()))
    np.testing.assert_array_equal(fused, joined)
    fused, joined = outputs(jnp.ones(()))
    assert float(jnp.abs(fused - joined).max()) > 1e-3


def test_batch_statistics_move_in_training_only(fusion):
    network, variables, maps = fusion

    @functools.partial(jax.jit, static_argnames="train")
    def statistics(variables, *, train: bool):
        apply = functools.partial(network.apply, train=train, mutable=["batch_stats"])
        return apply(variables, *maps)[1]["batch_stats"]

    kept, moved = statistics(variables, train=False), statistics(variables, train=True)
    jax.tree.map(np.testing.assert_array_equal, kept, variables["batch_stats"])
    changed = jax.tree.map(lambda x, y: bool((x != y).any()), moved, kept)
    assert jax.tree.all(changed)
