"""VGG-19 against torchvision's features, both with the same seeded weights."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torchvision import load_weights, params
from haqagen_jax.models.vgg import Vgg19

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "vgg19_relu4_2.npz")
# torchvision's layer list: a convolution is followed by a ReLU, a stage by a pooling.
LAYERS = [(0, 64), (2, 64), (5, 128), (7, 128), (10, 256), (12, 256), (14, 256), (16, 256)]
LAYERS += [(19, 512), (21, 512)]


@pytest.fixture(scope="module")
def state_dict() -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(int(GOLDEN["seed"])))
    tensors, inputs = {}, 3
    for index, outputs in LAYERS:
        weight = rng.standard_normal((outputs, inputs, 3, 3), dtype=np.float32)
        tensors[f"features.{index}.weight"] = weight * np.float32(np.sqrt(2 / (inputs * 9)))
        bias = rng.standard_normal(outputs, dtype=np.float32)
        tensors[f"features.{index}.bias"] = bias * np.float32(0.01)
        inputs = outputs
    return tensors


def test_features_match_torchvision(state_dict):
    features = Vgg19().apply(
        {"params": params("vgg19", state_dict)}, jnp.asarray(GOLDEN["prediction"])
    )
    expected = GOLDEN["vgg19_relu4_2"]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_parameters_fit_the_network(state_dict):
    image = jax.ShapeDtypeStruct((1, 32, 40, 3), jnp.float32)
    features, variables = jax.eval_shape(Vgg19().init_with_output, jax.random.key(0), image)
    assert features.shape == (1, 4, 5, 512)
    assert jax.tree.map(jnp.shape, params("vgg19", state_dict)) == jax.tree.map(
        jnp.shape, variables["params"]
    )


def test_files(state_dict, tmp_path):
    path = tmp_path / "vgg19.safetensors"
    later = {"features.23.weight": np.zeros(3), "classifier.6.bias": np.zeros(1000)}
    save_file(state_dict | later, path)
    jax.tree.map(
        np.testing.assert_array_equal, load_weights("vgg19", path), params("vgg19", state_dict)
    )
    save_file(dict(list(state_dict.items())[:-1]), path)
    with pytest.raises(InputError, match=r"vgg19.safetensors: tensor features.21.bias: is missing"):
        load_weights("vgg19", path)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="cannot be read"):
        load_weights("vgg19", path)
    for name in ("absent.pth", "absent.safetensors"):
        with pytest.raises(InputError, match=rf"{name}: no such file; give the weights"):
            load_weights("vgg19", tmp_path / name)


def test_other_networks_are_refused_by_tensor(state_dict):
    with pytest.raises(InputError, match=r"features.3.running_mean: is not part"):
        params("vgg19", state_dict | {"features.3.running_mean": np.zeros(64, np.float32)})
    with pytest.raises(InputError, match=r"features.5.weight: has shape \(3,\)"):
        params("vgg19", state_dict | {"features.5.weight": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"fc.weight: is not part"):
        params("vgg19", state_dict | {"fc.weight": np.zeros(3, np.float32)})
