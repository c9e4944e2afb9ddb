from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import paper
from haqagen_jax.models.critic import ColorMambaCritic, Critic
from haqagen_jax.models.factory import count_parameters

LAYERS = ("stem_rgb", "stem_hsv", "trunk_0", "trunk_1", "trunk_2", "trunk_3")


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def _plain(weight: np.ndarray) -> tuple[dict, dict]:
    """State under which a kernel is divided by v . W u = 1."""
    kernel = weight.transpose(2, 3, 1, 0)
    u = np.eye(kernel.shape[-1], dtype=np.float32)[0]
    image = kernel.reshape(-1, kernel.shape[-1]) @ u
    return {"kernel": kernel}, {"u": u, "v": image / (image @ image)}


def _converged(module, name: str) -> tuple[dict, dict]:
    """A normalized layer after the one more step of power iteration that it takes before use."""
    layer = module.at(f"{name}.module")
    matrix = layer["weight_bar"].reshape(len(layer["weight_bar"]), -1)
    v = _unit(matrix.T @ layer["weight_u"])
    params, state = module.spectral(layer["weight_bar"], _unit(matrix @ v), v)
    return {**params, "bias": np.zeros(len(matrix), np.float32)}, state


def test_colormambas_are_two_published_patchgans(published):
    # It was saved without the biases of the normalized convolutions.
    module = published("patchgan")
    params, state = {}, {}
    for ours, theirs in {"stem": 0, "trunk_3": 8}.items():
        params[ours] = module.conv(f"model.{theirs}")
    for i in range(3):
        params[f"trunk_{i}"], state[f"trunk_{i}"] = _converged(module, f"model.{2 * i + 2}")
    image = module.inputs[0]
    other = jax.tree.map(lambda x: 2 * x, params)
    judge = jax.jit(ColorMambaCritic(16).apply)
    for head, own in (("rgb", 0), ("hsv", 1)):
        networks = {"rgb": other, "hsv": other, head: params}
        variables = {"params": networks, "spectral": {"rgb": state, "hsv": state}}
        output = judge(variables, *((image, 1 - image), (1 - image, image))[own])
        module.check(output[own], tolerance=1e-5)


def test_trunk_is_the_published_patchgan(published):
    # There the first and the last convolution are not normalized, and the others have no bias.
    module = published("patchgan")
    params, state = {}, {}
    for ours, theirs in {"stem_rgb": 0, "stem_hsv": 0, "trunk_3": 8}.items():
        params[ours], state[ours] = _plain(module[f"model.{theirs}.weight"])
        params[ours]["bias"] = module[f"model.{theirs}.bias"]
    for i in range(3):
        params[f"trunk_{i}"], state[f"trunk_{i}"] = _converged(module, f"model.{2 * i + 2}")
    image = module.inputs[0]
    variables = {"params": params, "spectral": state}
    output = jax.jit(Critic(16).apply)(variables, image, image[::-1])
    module.check(output.rgb, tolerance=1e-5)
    module.check(output.hsv[::-1], tolerance=1e-5)


@pytest.fixture(scope="module", params=[Critic, ColorMambaCritic])
def either(request) -> tuple[Critic | ColorMambaCritic, dict, jax.Array, jax.Array]:
    return _start(request.param(4))


@pytest.fixture(scope="module")
def critic() -> tuple[Critic, dict, jax.Array, jax.Array]:
    return _start(Critic(4))


def _start(network):
    rgb, hsv = jax.random.uniform(jax.random.key(0), (2, 1, 128, 128, 3))
    return network, jax.jit(network.init)(jax.random.key(1), rgb, hsv), rgb, hsv


@pytest.mark.parametrize("head", [0, 1], ids=["rgb", "hsv"])
def test_a_logit_sees_seventy_pixels_square_of_its_own_picture(either, head):
    network, variables, *images = either

    @jax.jit
    def slopes(images):
        return jax.grad(lambda x: network.apply(variables, *x)[head][0, 7, 6, 0])(images)

    seen, unseen = (np.abs(slopes(images)[i][0]).max(-1) > 0 for i in (head, 1 - head))
    assert not unseen.any()
    rows, columns = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
    field = 70  # HAQAGen Sec. 3.2
    assert (len(rows), len(columns)) == (field, field)
    assert (rows[-1] - rows[0], columns[-1] - columns[0]) == (field - 1, field - 1)
    assert rows[0] - columns[0] == 8  # neighboring patches are eight pixels apart
    assert seen[rows[0] :, columns[0] :][:field, :field].all()


def test_both_critics_share_all_but_the_first_convolution(critic):
    network, variables, rgb, hsv = critic
    assert sorted(variables["params"]) == sorted(LAYERS)
    judge = jax.jit(lambda params: network.apply({**variables, "params": params}, rgb, hsv))
    before = judge(variables["params"])
    changed = {}
    for name in LAYERS:
        layer = variables["params"][name]
        moved = {"bias": layer["bias"], "kernel": layer["kernel"].at[..., 0].add(0.1)}
        after = judge({**variables["params"], name: moved})
        changed[name] = tuple(bool((x != y).any()) for x, y in zip(before, after, strict=True))
    assert changed == {
        "stem_rgb": (True, False),
        "stem_hsv": (False, True),
        **dict.fromkeys(LAYERS[2:], (True, True)),
    }


def test_every_convolution_is_normalized(critic):
    _, variables, _, _ = critic
    assert sorted(variables["spectral"]) == sorted(LAYERS)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_tile_has_thirty_by_thirty_float32_logits(dtype):
    image = jax.ShapeDtypeStruct((2, 256, 256, 3), jnp.float32)
    network = Critic(paper.CRITIC_WIDTH, dtype=dtype)
    output, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), image, image)
    assert [(x.shape, x.dtype) for x in output] == [((2, 30, 30, 1), jnp.float32)] * 2
    widths = [variables["params"][name]["kernel"].shape[-1] for name in LAYERS]
    assert widths == [64, 64, 128, 256, 512, 1]
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_colormambas_share_nothing():
    network, variables, rgb, hsv = _start(ColorMambaCritic(4))
    assert sorted(variables["params"]) == ["hsv", "rgb"]

    def sums(params):
        logits: Any = network.apply({**variables, "params": params}, rgb, hsv)
        return [x.sum() for x in logits]

    own = jax.jit(jax.jacrev(sums))(variables["params"])
    for of, name, other in ((own[0], "rgb", "hsv"), (own[1], "hsv", "rgb")):
        assert all((np.asarray(x) == 0).all() for x in jax.tree.leaves(of[other]))
        kernels = [layer["kernel"] for layer in of[name].values()]
        assert len(kernels) == 5
        assert all((np.asarray(x) != 0).any() for x in kernels)


def test_colormambas_normalize_the_middle_with_one_iteration_a_step():
    network, variables, rgb, hsv = _start(ColorMambaCritic(4))
    middle = ["trunk_0", "trunk_1", "trunk_2"]
    for name in ("rgb", "hsv"):
        assert sorted(variables["params"][name]) == ["stem", *middle, "trunk_3"]
        assert sorted(variables["spectral"][name]) == middle
    params = jax.tree.map(lambda x: 1.5 * x + 0.01, variables["params"])
    _, new = network.apply(
        {**variables, "params": params}, rgb, hsv, train=True, mutable=["spectral"]
    )
    for name in ("rgb", "hsv"):
        for layer in middle:
            matrix = np.asarray(params[name][layer]["kernel"], np.float64)
            matrix = matrix.reshape(-1, matrix.shape[-1])
            v = _unit(matrix @ variables["spectral"][name][layer]["u"])
            vectors: Any = new["spectral"][name][layer]
            np.testing.assert_allclose(vectors["v"], v, atol=1e-5)
            np.testing.assert_allclose(vectors["u"], _unit(v @ matrix), atol=1e-5)


def test_colormambas_count_and_patches():
    image = jax.ShapeDtypeStruct((2, 256, 256, 3), jnp.float32)
    network = ColorMambaCritic(64, dtype=jnp.bfloat16)
    output, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), image, image)
    assert [(x.shape, x.dtype) for x in output] == [((2, 30, 30, 1), jnp.float32)] * 2
    # 4 x 4 taps and a bias: 3 -> 64 -> 128 -> 256 -> 512 -> 1, as published:
    # 3,136 + 131,200 + 524,544 + 2,097,664 + 8,193 = 2,764,737.
    for name in ("rgb", "hsv"):
        assert count_parameters(variables["params"][name]) == 2_764_737
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
