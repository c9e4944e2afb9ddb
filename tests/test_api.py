"""The public names, and loading by name and by directory."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import api, artifact
from haqagen_jax.config.schema import Config, ModelConfig
from haqagen_jax.errors import InputError
from haqagen_jax.models.factory import init_generator, make_generator
from haqagen_jax.models.generator import Generator

TINY = Config(model=ModelConfig(width=8, d_state=2, spade_hidden=8, hsv_width=8, critic_width=8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model") / "tiny"
    nir = jax.ShapeDtypeStruct((1, 256, 256, 1), jnp.float32)
    shapes = jax.eval_shape(make_generator(TINY.model).init, jax.random.key(0), nir)
    variables = jax.tree.map(lambda s: np.full(s.shape, 0.5, np.float32), shapes)
    artifact.save(directory, TINY, variables)
    return directory


def test_public_names():
    assert haqagen_jax.load is api.load
    assert haqagen_jax.colorize is api.colorize
    assert haqagen_jax.Colorizer.__name__ == "Colorizer"
    assert callable(haqagen_jax.metrics.psnr)
    assert callable(haqagen_jax.losses.cdf_l1)
    assert set(haqagen_jax.__all__) == set(dir(haqagen_jax))
    with pytest.raises(AttributeError, match="colorise"):
        haqagen_jax.colorise  # noqa: B018


def test_the_import_alone_is_light():
    code = "import sys, haqagen_jax; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_directory_becomes_a_network(model):
    loaded = haqagen_jax.load(model)
    assert isinstance(loaded.network, Generator)
    assert loaded.config == TINY
    assert loaded.name == "tiny"
    assert {"params", "batch_stats", "spectral"} >= set(loaded.variables)
    leaves = jax.tree.leaves(loaded.variables)
    assert all(leaf.dtype == jnp.float32 for leaf in leaves)


def test_the_precision_is_the_networks(tmp_path):
    model = tmp_path / "random"
    artifact.save(model, TINY, jax.jit(lambda k: init_generator(k, TINY.model))(jax.random.key(0)))
    half = haqagen_jax.load(model, precision="bfloat16")
    assert isinstance(half.network, Generator)
    assert jnp.dtype(half.network.dtype) == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(half.variables))
    nir = np.random.default_rng(0).random((40, 30), dtype=np.float32)
    exact = haqagen_jax.load(model).colorize(nir)
    rough = half.colorize(nir)
    assert rough.dtype == np.float32
    difference = np.abs(rough - exact).max()
    assert 1e-6 < difference < 0.1


def test_settings_as_a_value_or_one_by_one(model):
    settings = haqagen_jax.Settings(stride=200, window="cosine")
    assert haqagen_jax.load(model, settings).settings == settings
    assert haqagen_jax.load(model, settings, stride=100).settings.stride == 100
    # What a pixel becomes does not depend on its tile: there is nothing to agree about.
    assert haqagen_jax.load("grey").settings.mode == "sliding"


def test_another_width_is_named(model, tmp_path):
    _, variables = artifact.load(model)
    artifact.save(tmp_path / "other", Config(), variables)
    with pytest.raises(InputError, match=r"other: tensor .* export the model again"):
        haqagen_jax.load(tmp_path / "other")


def test_refused():
    with pytest.raises(InputError, match=r"tile = 300: must be a multiple of 256"):
        haqagen_jax.load("small", tile=300)
    with pytest.raises(InputError, match=r"size = 400: must be a multiple of 32, .* 5 times"):
        haqagen_jax.load("fast", size=400)
    with pytest.raises(InputError, match=r"stride = 257"):
        haqagen_jax.load("grey", stride=257)
    with pytest.raises(InputError, match=r"nowhere: no such model directory"):
        haqagen_jax.load("nowhere")


def test_a_misspelt_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = r"smal: .*one of fast, small, grey, table; .*mean small\?\)"
    with pytest.raises(InputError, match=known):
        haqagen_jax.load("smal")
    with pytest.raises(InputError, match=r"^'': no such model"):
        haqagen_jax.load("")


def test_options_are_refused_before_the_model_is_read(monkeypatch):
    monkeypatch.setattr(api.artifact, "load", lambda _: pytest.fail("read"))
    for option, value in (("tile", 0), ("stride", 300), ("batch", 0)):
        options: dict[str, Any] = {option: value}
        with pytest.raises(InputError, match=f"{option} = {value}"):
            haqagen_jax.load(**options)


def test_options_of_another_type_are_named():
    # In a process of its own, without the tests' checks of types.
    code = """
import haqagen_jax
from haqagen_jax.errors import InputError
options = {"stride": (2.5, None, True), "batch": (1.5, "a"), "tile": ("a", 256.0)}
for name in ("grey", "fast"):
    for option, values in options.items():
        for value in values:
            try:
                haqagen_jax.load(name, **{option: value})
            except InputError as error:
                assert str(error).startswith(f"{option} = {value!r}: must be a whole number"), error
            else:
                raise AssertionError(option)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
