"""Every image is colored once, at its size, whatever the batch; failures are named."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.data.folder import find_pairs
from haqagen_jax.errors import InputError
from haqagen_jax.evaluation.coloring import color_pairs
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings

PLAIN = Config(data=DataConfig(equalize=False))
SIZES = {"a": (12, 9), "b": (30, 41), "c": (16, 16), "d": (8, 50)}


class Output(NamedTuple):
    rgb: jax.Array


class Square:
    """Its input squared, as gray: a pixel's color depends on the pixel alone."""

    def apply(self, variables, nir):
        return Output(jnp.repeat(nir * nir, 3, -1))


def model(batch=3, network=Square, config=PLAIN):
    settings = Settings(tile=16, stride=12, batch=batch, mode="sliding", stretch=(0.0, 100.0))
    return Colorizer(network(), {}, config, settings=settings)


@pytest.fixture
def pairs(tmp_path):
    random = np.random.default_rng(0)
    for name, (h, w) in SIZES.items():
        nir = random.integers(0, 256, (h, w)).astype(np.uint8)
        nir.flat[:2] = 0, 255
        rgb = random.integers(0, 256, (h, w, 3)).astype(np.uint8)
        Image.fromarray(nir).save(tmp_path / f"{name}_nir.png")
        Image.fromarray(rgb).save(tmp_path / f"{name}_rgb.png")
    return find_pairs(tmp_path)


def run(model, mode, pairs):
    judged, refused = [], {}
    color_pairs(model, mode, pairs, judged.append, lambda name, e: refused.update({name: str(e)}))
    return judged, refused


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_each_once_at_its_size_in_order(pairs, batch):
    judged, refused = run(model(batch), "sliding", pairs)
    assert [colored.name for colored in judged] == list(SIZES)
    assert not refused
    for colored, pair in zip(judged, pairs, strict=True):
        assert colored.prediction.shape == (*SIZES[colored.name], 3)
        nir = np.asarray(Image.open(pair.nir)) / 255
        np.testing.assert_allclose(colored.prediction[..., 1], nir**2, atol=1e-6)
        np.testing.assert_array_equal(
            colored.truth, np.asarray(Image.open(pair.rgb)) / np.float32(255)
        )


def test_resized_is_reduced_colored_and_enlarged(pairs):
    judged, refused = run(model(), "resize", pairs)
    assert not refused
    for colored, pair in zip(judged, pairs, strict=True):
        nir = np.asarray(Image.open(pair.nir)).astype(np.float32) / 255
        small = Image.fromarray(nir).resize((16, 16), Image.Resampling.BICUBIC)
        squared = Image.fromarray(np.clip(np.asarray(small), 0, 1) ** 2)
        expected = np.asarray(squared.resize(nir.shape[::-1], Image.Resampling.BICUBIC))
        np.testing.assert_allclose(colored.prediction[..., 0], np.clip(expected, 0, 1), atol=1e-5)


def test_preparation_comes_before_the_reduction(pairs):
    """Equalization sees all pixels of the image, not those of the tile."""
    config = Config(data=DataConfig(equalize=True))
    judged, _ = run(model(config=config), "resize", pairs[1:2])
    nir = np.asarray(Image.open(pairs[1].nir))
    counts = np.bincount(nir.ravel(), minlength=256).cumsum()
    equal = ((counts - counts[0]) / (counts[-1] - counts[0]))[nir].astype(np.float32)
    small = Image.fromarray(equal).resize((16, 16), Image.Resampling.BICUBIC)
    squared = Image.fromarray(np.clip(np.asarray(small), 0, 1) ** 2)
    expected = np.asarray(squared.resize(nir.shape[::-1], Image.Resampling.BICUBIC))
    np.testing.assert_allclose(judged[0].prediction[..., 0], np.clip(expected, 0, 1), atol=1e-5)


@pytest.mark.parametrize("mode", ["sliding", "resize"])
def test_what_fails_is_named_and_stops_nothing(pairs, mode):
    Image.fromarray(np.full(SIZES["a"], 7, np.uint8)).save(pairs[0].nir)
    pairs[2].rgb.write_bytes(b"no image")
    judged, refused = run(model(), mode, pairs)
    assert [colored.name for colored in judged] == ["b", "d"]
    assert refused["a"].startswith(f"{pairs[0].nir}: all 108 pixels have the value 7")
    assert refused["c"].startswith(f"{pairs[2].rgb}: not a PNG")


def test_a_judge_may_refuse(pairs):
    def judge(colored):
        if colored.name == "b":
            raise InputError("unfair")

    refused = {}
    color_pairs(model(), "sliding", pairs, judge, lambda name, e: refused.update({name: str(e)}))
    assert refused == {"b": f"{pairs[1].nir}: unfair"}
