"""The model that the package ships: it loads, it is what the preset says, and it colors."""

import json

import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import api, artifact
from haqagen_jax.config.load import load_config
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.models.factory import generator_shapes
from haqagen_jax.synthetic import render

MOST_BYTES = 12e6


@pytest.fixture(scope="module")
def model() -> Colorizer:
    return haqagen_jax.load()


def test_it_loads_with_finite_tensors(model):
    assert model.name == "small"
    tensors = artifact.flatten(model.variables)
    assert tensors
    for name, tensor in tensors.items():
        assert np.isfinite(tensor).all(), name


def test_its_tensors_are_those_of_its_network(model):
    # Loading it leaves this out, for the sake of a quick start.
    artifact.check(model.variables, generator_shapes(model.config.model), "small")


def test_it_is_of_the_presets_size(model):
    assert model.config.model == load_config("configs/haqagen.py:small").model
    assert (api.BUNDLED / artifact.TENSOR_FILE).stat().st_size <= MOST_BYTES


def test_it_says_how_it_was_trained():
    description = json.loads((api.BUNDLED / artifact.CONFIG_FILE).read_text("utf-8"))
    assert description["training"]["command"].startswith("haqagen train ")
    assert description["training"]["validation"]["psnr"] > 0


@pytest.mark.slow
def test_it_colors_a_rendered_scene(model):
    scene = render(3, 64, 96)
    rgb = model.colorize(scene.nir[..., 0])
    assert rgb.shape == (64, 96, 3)
    spread = rgb.max(-1) - rgb.min(-1)  # 0 everywhere in a gray image
    assert float(spread.mean()) > 0.02
    assert float(rgb.std((0, 1)).min()) > 0.02  # nor is it one color
