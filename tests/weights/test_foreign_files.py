"""What is given for published weights and is none: named, and nothing gets into the cache."""

import gzip
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_writer import write_state_dict
from haqagen_jax.interop.torchvision import load_weights
from haqagen_jax.weights import catalog, store

NAMES = [weights.name for weights in catalog.CATALOG]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 574673361\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(name, path) -> str:
    with pytest.raises(InputError) as caught:
        store.import_file(name, path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_weights(name, tmp_path, cache):
    path = tmp_path / catalog.find(name).file
    for content, message in (
        (POINTER, "is a git-lfs pointer, which only stands for the file; git lfs pull fetches it"),
        (b"<!DOCTYPE html><title>Virus scan warning", "is a web page"),
        (b"<?xml version='1.0'?><Error>", "is an XML text"),
        (b"", "is an empty file; download or copy it again"),
        (bytes(5000), "is a file of zeros"),
        (b"PK\x03\x04" + bytes(500), "truncated or damaged; download or copy it again"),
        (b"\x89HDF\r\n\x1a\n", "it is an HDF5 file"),
        (b"\x1c\0\0\0TFL3", "it is a TensorFlow Lite model"),
        (b"\x89PNG\r\n", "it is a PNG image"),
        (gzip.compress(b"x"), "it is a gzip file"),
        (b"\x80\x04}.", "it is a Python pickle that torch.save did not write"),
    ):
        path.write_bytes(content)
        assert message.removesuffix(" it") in refusal(name, path)
    write_state_dict(path, {"model.0.weight": np.ones((1, 2, 3, 3), np.float32)}, overwrite=True)
    said = refusal(name, path)
    assert f"has SHA-256 {store.sha256(path)}, {name} has {catalog.find(name).sha256}" in said
    assert "a PyTorch checkpoint, and it has 1 tensors such as model.0.weight (1, 2, 3, 3)" in said
    assert f"give the {catalog.find(name).file} of https://" in said
    assert not cache.exists()


def test_a_vgg_inside_of_another_file(seeded_weights, tmp_path):
    tensors = seeded_weights("vgg19", 0)
    expected = load_weights("vgg19", _safetensors(tmp_path / "a.safetensors", tensors))
    for prefix in ("module.", "vgg.", "model.vgg.", "criterion.vgg19.module."):
        named = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
        named["classifier.0.bias"] = np.ones(2, np.float32)
        loaded = load_weights("vgg19", _safetensors(tmp_path / "a.pth", named))
        for layer in expected:
            np.testing.assert_array_equal(loaded[layer]["kernel"], expected[layer]["kernel"])
    with pytest.raises(
        InputError, match=r"another network than alexnet: .* features.0.weight \(64"
    ):
        load_weights("alexnet", tmp_path / "a.safetensors")
    tensors["features.0.bias"] = tensors["features.0.bias"][None, :, None]
    loaded = load_weights("vgg19", _safetensors(tmp_path / "a.pth", tensors))
    np.testing.assert_array_equal(loaded["conv1_1"]["bias"], expected["conv1_1"]["bias"])
    with zipfile.ZipFile(tmp_path / "vgg.zip", "w") as archive:
        archive.write(tmp_path / "a.pth", "vgg19.pth")
    with pytest.raises(InputError, match=r"is a zip archive with vgg19.pth; unpack it"):
        load_weights("vgg19", tmp_path / "vgg.zip")


def _safetensors(path, tensors):
    save_file({name: np.ascontiguousarray(x) for name, x in tensors.items()}, path)
    return path
