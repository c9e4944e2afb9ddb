import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax import paper
from haqagen_jax.models.critic import Critic

LAYERS = ("stem_rgb", "stem_hsv", "trunk_0", "trunk_1", "trunk_2", "trunk_3")


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def _plain(weight: np.ndarray) -> tuple[dict, dict]:
    """State under which a kernel is divided by v . W u = 1."""
    kernel = weight.transpose(2, 3, 1, 0)
    u = np.eye(kernel.shape[-1], dtype=np.float32)[0]
    image = kernel.reshape(-1, kernel.shape[-1]) @ u
    return {"kernel": kernel}, {"u": u, "v": image / (image @ image)}


def test_trunk_is_the_published_patchgan(published):
    # There the first and the last convolution are not normalised, the others have no bias and
    # take one more step of power iteration before they are used.
    module = published("patchgan")
    params, state = {}, {}
    for ours, theirs in {"stem_rgb": 0, "stem_hsv": 0, "trunk_3": 8}.items():
        params[ours], state[ours] = _plain(module[f"model.{theirs}.weight"])
        params[ours]["bias"] = module[f"model.{theirs}.bias"]
    for i in range(3):
        layer = module.at(f"model.{2 * i + 2}.module")
        matrix = layer["weight_bar"].reshape(len(layer["weight_bar"]), -1)
        v = _unit(matrix.T @ layer["weight_u"])
        name = f"trunk_{i}"
        params[name], state[name] = module.spectral(layer["weight_bar"], _unit(matrix @ v), v)
        params[name]["bias"] = np.zeros(len(matrix), np.float32)
    image = module.inputs[0]
    variables = {"params": params, "spectral": state}
    output = jax.jit(Critic(16).apply)(variables, image, image[::-1])
    module.check(output.rgb, tolerance=1e-5)
    module.check(output.hsv[::-1], tolerance=1e-5)


@pytest.fixture(scope="module")
def critic() -> tuple[Critic, dict, jax.Array, jax.Array]:
    network = Critic(4)
    rgb, hsv = jax.random.uniform(jax.random.key(0), (2, 1, 128, 128, 3))
    return network, jax.jit(network.init)(jax.random.key(1), rgb, hsv), rgb, hsv


@pytest.mark.parametrize("head", [0, 1], ids=["rgb", "hsv"])
def test_a_logit_sees_seventy_pixels_square_of_its_own_picture(critic, head):
    network, variables, *pictures = critic

    @jax.jit
    def slopes(pictures):
        return jax.grad(lambda x: network.apply(variables, *x)[head][0, 7, 6, 0])(pictures)

    seen, unseen = (np.abs(slopes(pictures)[i][0]).max(-1) > 0 for i in (head, 1 - head))
    assert not unseen.any()
    rows, columns = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
    field = 70  # HAQAGen Sec. 3.2
    assert (len(rows), len(columns)) == (field, field)
    assert (rows[-1] - rows[0], columns[-1] - columns[0]) == (field - 1, field - 1)
    assert rows[0] - columns[0] == 8  # neighbouring patches are eight pixels apart
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


def test_every_convolution_is_normalised(critic):
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
