"""Samples of whole images: squares of any size, reflected, and jitter of the NIR tones."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data.folder import find_pairs
from haqagen_jax.data.pipeline import EvaluationBatches, train_iterator
from haqagen_jax.data.records import PreparedPair, prepare
from haqagen_jax.data.transforms import SHORTEST, jitter, random_square, whole_square
from haqagen_jax.images.resize import Window, resize
from haqagen_jax.nir.preparation import Preparation

WHOLE = DataConfig(whole=True, equalize=False, precrop=0, flip=0.0, rotate=False, saturation=0.0)


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_squares_are_large_and_lie_inside_or_cover_an_axis(height, width, seed):
    window = random_square((height, width), np.random.default_rng(seed))
    assert window.height == window.width
    assert round(SHORTEST * min(height, width)) <= window.height <= max(height, width)
    for start, length in ((window.top, height), (window.left, width)):
        inside = 0 <= start <= length - window.height
        around = length - window.height <= start <= 0
        assert inside or around


def test_squares_have_every_size():
    rng = np.random.default_rng(0)
    sides = [random_square((100, 160), rng).height for _ in range(2000)]
    assert min(sides) == 55
    assert max(sides) == 160
    assert np.mean(sides) == pytest.approx((55 + 160) / 2, abs=2)


def random_pair(height, width):
    rng = np.random.default_rng(0)
    nir = rng.integers(0, 256, (height, width, 1)).astype(np.uint8)
    rgb = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return PreparedPair(nir / np.float32(255), rgb, (height, width), Preparation(0.0, 1.0, None))


@pytest.mark.parametrize("window", [Window(-5, 3, 20, 20), whole_square((10, 30))])
def test_a_square_is_the_reflected_image_reduced(window):
    """Against numpy's padding and Pillow's filter."""
    pair = random_pair(10, 30)
    result = pair.square(window, 8)
    stacked = np.concatenate([pair.nir, pair.rgb / np.float32(255)], axis=-1)
    padded = np.pad(stacked, ((9, 9), (0, 0), (0, 0)), mode="reflect")
    while padded.shape[0] < 60:
        padded = np.pad(padded, ((9, 9), (0, 0), (0, 0)), mode="reflect")
    above = (padded.shape[0] - 10) // 2
    part = padded[above + window.top :][: window.height, window.left :][:, : window.width]
    expected = resize(part, (8, 8))
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)


@pytest.fixture
def pairs(tmp_path):
    """Write one tiny and one wide pair, from black to white."""
    for name, size in (("tiny", (20, 12)), ("wide", (90, 200))):
        nir = np.linspace(0, 255, size[0] * size[1]).reshape(size).astype(np.uint8)
        Image.fromarray(nir).save(tmp_path / f"{name}_nir.png")
        Image.fromarray(np.stack([nir, nir, 255 - nir], -1)).save(tmp_path / f"{name}_rgb.png")
    return find_pairs(tmp_path)


def test_small_images_are_not_padded(pairs):
    for pair, size in zip(pairs, ((20, 12), (90, 200)), strict=True):
        assert prepare(pair, WHOLE).nir.shape[:2] == size


def test_training_samples_keep_pairs_registered(pairs):
    batch = next(train_iterator(pairs, WHOLE, batch_size=2, seed=0))
    assert batch.nir.shape == (2, 256, 256, 1)
    np.testing.assert_allclose(batch.rgb[..., :1], batch.nir, rtol=0, atol=0.01)
    np.testing.assert_allclose(batch.rgb[..., 2:], 1 - batch.nir, rtol=0, atol=0.01)


def test_only_nir_is_jittered(pairs):
    data = dataclasses.replace(WHOLE, gain=0.3, gamma=0.5, noise=0.05)
    batch = next(train_iterator(pairs, data, batch_size=2, seed=0))
    plain = next(train_iterator(pairs, WHOLE, batch_size=2, seed=0))
    np.testing.assert_array_equal(batch.rgb, plain.rgb)
    assert float(abs(np.asarray(batch.nir) - plain.nir).max()) > 0.02
    # Held-out pairs are not jittered.
    [held] = EvaluationBatches(pairs, data, batch_size=2)
    np.testing.assert_allclose(held.rgb[..., :1], held.nir, rtol=0, atol=0.01)


def test_jitter_stays_in_range_and_zero_jitter_changes_nothing():
    nir = np.random.default_rng(0).random((9, 9, 1), np.float32)
    assert jitter(nir, np.random.default_rng(0), gain=0.0, gamma=0.0, noise=0.0) is nir
    changed = jitter(nir, np.random.default_rng(0), gain=0.5, gamma=2.0, noise=0.5)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() < changed.max() <= 1
    # Without noise the order of the tones is kept.
    curved = jitter(nir, np.random.default_rng(3), gain=0.2, gamma=1.0, noise=0.0)
    order = np.argsort(nir, axis=None)
    assert (np.diff(curved.ravel()[order]) >= 0).all()
    assert float(abs(curved - nir).max()) > 0.05
