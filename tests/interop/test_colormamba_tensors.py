"""ColorMamba's tensors, there and here: the published network's numbers, and the way back."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop import colormamba
from haqagen_jax.interop.colormamba_names import leaves
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.models.factory import make_generator

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parents[1] / "golden" / "colormamba" / "ngf8_seeded.npz"
FIXTURE = ROOT.parent / "shared" / "fixtures" / "colormamba_ngf8"
FIRST = "netG_A.coder_1.0.weight"
SCAN = "netG_A.coder_1.1.layers.0.residual_group.blocks.0.self_attention"
SPECTRAL = "netG_A.decoder_5.SPADE_color.conv_0.weight"


@pytest.fixture(scope="module")
def apply():
    """The generator of width 8, compiled once."""
    network: Any = None
    program: Any = None

    def run(config, variables, *inputs):
        nonlocal network, program
        if network is None:
            network = make_generator(config.model)
            program = jax.jit(network.apply)
        assert make_generator(config.model) == network
        return program(variables, *(jnp.asarray(x) for x in inputs))

    return run


def _inputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(8))
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    noise = rng.random((1, 256, 256, 1), np.float32)
    nir = 0.4 * noise + 0.3 * ramp[None, :, None, None] + 0.3 * ramp[None, None, :, None]
    return nir, rng.random((1, 256, 256, 3), np.float32)


@pytest.fixture(scope="module")
def published(checkpoint, apply):
    config, variables, _ = colormamba.variables(checkpoint())
    return config, variables, apply(config, variables, *_inputs())


def test_the_published_network_says_the_same(published):
    """`ngf8_seeded.npz` is what the published code makes of `checkpoint`, every sixth pixel."""
    rgb, hsv = published[2]
    expected = np.load(GOLDEN)
    np.testing.assert_allclose(hsv[:, ::6, ::6], expected["hsv"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(rgb[:, ::6, ::6], expected["rgb"], rtol=0, atol=1e-4)
    assert expected["rgb"].std() > 0.03
    assert expected["hsv"].std() > 0.1


@pytest.mark.skipif(not FIXTURE.is_dir(), reason="no ../shared/fixtures/colormamba_ngf8")
def test_a_published_checkpoint(apply):
    config, variables, _ = colormamba.variables(read_state_dict(FIXTURE / "weights.pt"))
    arrays = {name: x.transpose(0, 2, 3, 1) for name, x in np.load(FIXTURE / "io.npz").items()}
    rgb, hsv = apply(config, variables, arrays["nir"], arrays["nir_hsv"])
    np.testing.assert_allclose(hsv, arrays["hsv"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(rgb, arrays["rgb"], rtol=0, atol=1e-4)


def test_there_and_back_is_the_same_bits(checkpoint):
    tensors = checkpoint()
    config, variables, counters = colormamba.variables(tensors)
    back = colormamba.state_dict(config.model, variables, counters)
    assert set(back) == set(tensors)
    for name, tensor in tensors.items():
        assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape), name
        assert back[name].tobytes() == tensor.tobytes(), name


def test_every_tensor_has_one_place(checkpoint):
    config, _, counters = colormamba.variables(checkpoint())
    names = [name for leaf in leaves(config.model) for name in leaf.names]
    assert len(set(names)) == len(names)
    assert set(names) | set(counters) == set(checkpoint())
    # A value moved into one tensor arrives in one of ours, and nowhere else.
    for name in (FIRST, f"{SCAN}.A_logs", SPECTRAL + "_v"):
        tensors = checkpoint()
        tensors[name] = tensors[name] + 1
        changed = colormamba.variables(tensors)[1]
        same = jax.tree.map(np.array_equal, changed, colormamba.variables(checkpoint())[1])
        assert [x for x in jax.tree.leaves(same) if not x] == [False]


def test_sizes_are_read_off(checkpoint):
    model = colormamba.variables(checkpoint())[0].model
    sizes = model.width, model.hsv_width, model.d_state, model.expand, model.spade_hidden
    assert sizes == (8, 4, 16, 2, 128)


def test_prefixes_and_half_precision(checkpoint):
    plain = colormamba.variables(checkpoint())
    tensors = {f"module.{name}": tensor for name, tensor in checkpoint().items()}
    prefixed = colormamba.variables(tensors)
    jax.tree.map(np.testing.assert_array_equal, prefixed[1], plain[1])
    assert prefixed[2] == plain[2]
    halves = {n: x.astype(np.float16) if x.ndim else x for n, x in checkpoint().items()}
    half = colormamba.variables(halves)[1]
    for mine, theirs in zip(jax.tree.leaves(half), jax.tree.leaves(plain[1]), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_array_equal(mine, theirs.astype(np.float16))


def test_spectral_norms_without_their_vectors(checkpoint, published, apply):
    """Kernels that were divided for good, as `torch.nn.utils.remove_spectral_norm` leaves them."""
    config, _, whole = published
    tensors = checkpoint()
    for name in [name for name in tensors if name.endswith("weight_orig")]:
        weight = name.removesuffix("_orig")
        kernel, u, v = (tensors.pop(f"{weight}_{part}") for part in ("orig", "u", "v"))
        tensors[weight] = kernel / (u @ kernel.reshape(len(kernel), -1) @ v)
    merged = apply(config, colormamba.variables(tensors)[1], *_inputs())
    for mine, theirs in zip(merged, whole, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("lost", [("u", "v"), ("v",)])
def test_lost_vectors_are_found_again(checkpoint, lost):
    tensors = checkpoint()
    for part in lost:
        for name in [name for name in tensors if name.endswith(f"weight_{part}")]:
            del tensors[name]
    config, variables, counters = colormamba.variables(tensors)
    back = colormamba.state_dict(config.model, variables, counters)
    kernel = back[f"{SPECTRAL}_orig"].reshape(64, -1)
    sigma = back[f"{SPECTRAL}_u"] @ kernel @ back[f"{SPECTRAL}_v"]
    largest = np.linalg.svd(kernel.astype(np.float64))[1][0]
    if len(lost) == 2:
        assert sigma == pytest.approx(largest, rel=1e-5)
    else:
        u = checkpoint()[f"{SPECTRAL}_u"]
        assert sigma == pytest.approx(np.linalg.norm(u @ kernel), rel=1e-5)


def _without(tensors, *names):
    return {name: tensor for name, tensor in tensors.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: _without(t, FIRST), rf"^is no ColorMamba generator: tensor {FIRST} is missing"),
        (
            lambda t: _without(t, "netG_C.layer10_conv.bias", "netG_A.fin_out.0.bias"),
            r"2 tensors missing \(netG_A.fin_out.0.bias, netG_C.layer10_conv.bias\); give torch",
        ),
        (lambda t: t | {"netD.x": t[FIRST]}, r"1 tensors left over \(netD.x\)"),
        (lambda t: t | {"a.num_batches_tracked": np.array(1)}, r"left over \(a.num_batches_tracke"),
        (
            lambda t: {n: x for n, x in t.items() if "netG_C" not in n or "layer1" in n},
            r"missing \(netG_C.deconv1.conv1.bias, .* and \d+ more\)",
        ),
        (
            lambda t: t | {"netG_A.coder_4.1.weight": np.zeros((64, 31, 4, 4), np.float32)},
            r"^tensor netG_A.coder_4.1.weight: has shape \(64, 31, 4, 4\), not \(64, 32, 4, 4\)",
        ),
        (
            lambda t: t | {f"{SPECTRAL}_orig": np.zeros((64, 64, 3), np.float32)},
            rf"^tensor {SPECTRAL}_orig: has shape",
        ),
        (lambda t: t | {FIRST: np.zeros((8, 1, 4), np.float32)}, r"has 3 axes, not 4"),
        (lambda t: t | {FIRST: np.zeros((12, 1, 4, 4), np.float32)}, r"model.width = 12: must be"),
        (lambda t: t | {f"module.{FIRST}": t[FIRST]}, r'with and without "module."'),
        (lambda t: {"features.0.weight": t[FIRST]}, r"is no ColorMamba generator"),
    ],
)
def test_what_does_not_fit_is_named(checkpoint, change, message):
    with pytest.raises(InputError, match=message) as caught:
        colormamba.variables(change(checkpoint()))
    assert "\n" not in str(caught.value)
