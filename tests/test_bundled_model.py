"""The models that the package ships: they load, are what their presets say, and color."""

import json

import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import api, artifact
from haqagen_jax.config.load import load_config
from haqagen_jax.config.model_name import BUNDLED
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.models.factory import generator_shapes
from haqagen_jax.synthetic import render

MOST_BYTES = {"fast": 8e6, "small": 12e6}
PRESETS = {"fast": "configs/fast.py", "small": "configs/haqagen.py:small"}


@pytest.fixture(scope="module", params=BUNDLED)
def model(request) -> Colorizer:
    return haqagen_jax.load(request.param)


def test_the_default_is_the_first():
    assert haqagen_jax.load().name == "fast" == BUNDLED[0]


def test_they_are_found_by_name_whatever_lies_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()
    assert haqagen_jax.load("fast").config.model.architecture == "prior"


def test_it_loads_with_finite_tensors(model):
    tensors = artifact.flatten(model.variables)
    assert tensors
    for name, tensor in tensors.items():
        assert np.isfinite(tensor).all(), name


def test_its_tensors_are_those_of_its_network(model):
    # Loading it leaves this out, for the sake of a quick start.
    artifact.check(model.variables, generator_shapes(model.config.model), model.name)


def test_it_is_of_the_presets_size(model):
    assert model.config.model == load_config(PRESETS[model.name]).model
    size = (api.ASSETS / model.name / artifact.TENSOR_FILE).stat().st_size
    assert size <= MOST_BYTES[model.name]


def test_it_says_how_it_was_trained(model):
    path = api.ASSETS / model.name / artifact.CONFIG_FILE
    description = json.loads(path.read_text("utf-8"))
    assert description["training"]["command"].startswith("haqagen train ")
    assert description["training"]["validation"]["psnr"] > 0
    card = path.with_name("README.md").read_text("utf-8")
    for part in ("Data", "Commands", "Scores", "Limits"):
        assert f"\n- {part}" in card


@pytest.mark.slow
def test_it_colors_a_rendered_scene(model):
    scene = render(3, 64, 96)
    rgb = model.colorize(scene.nir[..., 0])
    assert rgb.shape == (64, 96, 3)
    spread = rgb.max(-1) - rgb.min(-1)  # 0 everywhere in a grey image
    assert float(spread.mean()) > 0.02
    assert float(rgb.std((0, 1)).min()) > 0.02  # nor is it one color
