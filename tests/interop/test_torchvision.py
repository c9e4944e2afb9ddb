"""Published state dicts into our parameters: which tensor goes where, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torchvision import load_weights, params

HEADS = Path(__file__).parents[1] / "golden" / "lpips"
# A layer by torchvision's index and by its name here: the first, one in the middle, the last.
LAYERS = {
    "alexnet": {0: "conv1", 6: "conv3", 10: "conv5"},
    "vgg16": {0: "conv1_1", 14: "conv3_3", 28: "conv5_3"},
    "vgg19": {0: "conv1_1", 16: "conv3_4", 21: "conv4_2"},
}


@pytest.fixture(scope="module")
def state_dict(seeded_weights) -> dict[str, np.ndarray]:
    return seeded_weights("vgg19", 0)


@pytest.mark.parametrize("network", LAYERS)
def test_layers_have_their_weights(seeded_weights, network):
    tensors = seeded_weights(network, 0)
    later = {"features.31.weight": np.zeros(3), "classifier.6.bias": np.zeros(1000)}
    converted = params(network, tensors | later)
    assert len(converted) == len(tensors) // 2
    for index, layer in LAYERS[network].items():
        weight = tensors[f"features.{index}.weight"]
        kernel = converted[layer]["kernel"]
        assert kernel.dtype == np.float32
        np.testing.assert_array_equal(kernel[1, 2, :, 5], weight[5, :, 1, 2])
        np.testing.assert_array_equal(converted[layer]["bias"], tensors[f"features.{index}.bias"])


@pytest.mark.parametrize(
    ("name", "widths"), [("alex", (64, 192, 384, 256, 256)), ("vgg", (64, 128, 256, 512, 512))]
)
def test_published_heads(name, widths):
    converted = load_weights(f"lpips-{name}", HEADS / f"{name}.pth")
    assert {key: weight.shape for key, weight in converted.items()} == {
        f"lin{i}": (width,) for i, width in enumerate(widths)
    }
    assert all(weight.min() >= 0 and weight.max() > 0 for weight in converted.values())


@pytest.mark.parametrize(("name", "other"), [("alex", "vgg"), ("vgg", "alex")])
def test_heads_of_the_other_network_are_refused(name, other):
    message = rf"{other}.pth: tensor lin1.model.1.weight: has shape .* give the heads .* for {name}"
    with pytest.raises(InputError, match=message):
        load_weights(f"lpips-{name}", HEADS / f"{other}.pth")


def test_files(state_dict, tmp_path):
    path = tmp_path / "vgg19.safetensors"
    save_file(state_dict, path)
    loaded, expected = load_weights("vgg19", path), params("vgg19", state_dict)
    for layer, tensors in expected.items():
        np.testing.assert_array_equal(loaded[layer]["kernel"], tensors["kernel"])
    save_file(dict(list(state_dict.items())[:-1]), path)
    with pytest.raises(InputError, match=r"vgg19.safetensors: tensor features.21.bias: is missing"):
        load_weights("vgg19", path)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="is a text that begins 'no'; give the weights of"):
        load_weights("vgg19", path)
    for name in ("absent.pth", "absent.safetensors"):
        with pytest.raises(InputError, match=rf"{name}: no such file; give the weights of .*vgg19"):
            load_weights("vgg19", tmp_path / name)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("features.3.running_mean", (64,), "is not part of vgg19"),
        ("fc.weight", (3,), "is not part of vgg19"),
        ("features.5.weight", (3,), r"has shape \(3,\), not \(128, 64, 3, 3\)"),
    ],
)
def test_other_tensors_are_refused_by_name(state_dict, name, shape, message):
    with pytest.raises(InputError, match=f"tensor {name}: {message}; give the weights"):
        params("vgg19", state_dict | {name: np.zeros(shape, np.float32)})


def test_an_extra_head_is_refused():
    heads = {
        f"lin{i}.model.1.weight": np.ones((1, n, 1, 1), np.float32)
        for i, n in enumerate((64, 192, 384, 256, 256, 9))
    }
    with pytest.raises(InputError, match=r"tensor lin5.model.1.weight: is not part of lpips-alex"):
        params("lpips-alex", heads)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(state_dict, value):
    name = "features.0.bias"
    bad = state_dict | {name: np.full_like(state_dict[name], value)}
    with pytest.raises(InputError, match=rf"tensor {name}: has values that are not finite; give"):
        params("vgg19", bad)
