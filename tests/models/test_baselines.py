"""The baselines are what they claim, also through the engine."""

import json

import numpy as np
import pytest

import haqagen_jax
from haqagen_jax import api
from haqagen_jax.errors import InputError
from haqagen_jax.models import baselines


def ramp_pair(seed):
    """A pair whose colors are a fixed function of the NIR level, plus noise of mean zero."""
    rng = np.random.default_rng(seed)
    nir = rng.permutation(np.arange(256).repeat(40)).reshape(64, 160).astype(np.uint8)
    colors = np.stack([nir / 255, (nir / 255) ** 2, 1 - nir / 255], -1)
    noise = rng.uniform(-0.05, 0.05, colors.shape)
    return nir, (colors + noise).astype(np.float32)


def test_the_table_is_the_conditional_mean():
    pairs = [ramp_pair(0), ramp_pair(1)]
    table = baselines.fit_table(pairs)
    levels = np.concatenate([nir.ravel() for nir, _ in pairs])
    colors = np.concatenate([rgb.reshape(-1, 3) for _, rgb in pairs]).astype(np.float64)
    expected = np.stack([colors[levels == level].mean(0) for level in range(256)])
    np.testing.assert_allclose(table, expected, atol=1e-6)


def test_the_table_sees_the_min_max_image():
    nir, rgb = ramp_pair(0)
    expected = baselines.fit_table([(nir, rgb)])
    shifted = nir.astype(np.uint16) * 100 + 3000
    np.testing.assert_array_equal(baselines.fit_table([(shifted, rgb)]), expected)


def test_empty_levels_are_interpolated():
    nir = np.array([[0, 51, 255]], np.uint8)
    rgb = np.array([[[0, 0.1, 0], [0.2, 0.1, 1], [1, 0.9, 0]]], np.float32)
    table = baselines.fit_table([(nir, rgb)])
    np.testing.assert_allclose(table[:, 0], np.arange(256) / 255, atol=1e-6)
    np.testing.assert_allclose(table[25, 2], 25 / 51, atol=1e-6)


def test_no_pairs():
    with pytest.raises(InputError, match="at least one pair"):
        baselines.fit_table([])


def test_a_table_of_ones_own_is_read(tmp_path):
    table = baselines.fit_table([ramp_pair(0)])
    (tmp_path / "table.json").write_text(json.dumps({"table": table.tolist()}))
    np.testing.assert_allclose(api.load_table(tmp_path / "table.json"), table, atol=1e-7)


def test_gray_is_min_max_three_times():
    nir = np.array([[10, 20], [30, 60]], np.uint8)
    colored = haqagen_jax.load("grey", stretch=(0.0, 100.0)).colorize(nir, dtype=np.float32)
    expected = np.array([[0, 0.2], [0.4, 1]], np.float32)
    np.testing.assert_allclose(colored, expected[..., None].repeat(3, -1))


def test_the_shipped_table_goes_through_the_engine():
    nir = np.random.default_rng(0).permutation(np.arange(256)).reshape(2, 128).astype(np.uint8)
    table = api.load_table()
    assert table.shape == (256, 3)
    assert 0 <= table.min() < table.max() <= 1
    colored = haqagen_jax.load("table").colorize(nir, dtype=np.float32)
    np.testing.assert_allclose(colored, table[nir], atol=1e-6)


def test_masked_pixels_count_for_no_level():
    nir, rgb = ramp_pair(0)
    expected = baselines.fit_table([(nir[:60], rgb[:60])])
    missing = np.zeros(nir.shape, bool)
    missing[60:] = True
    below = np.where(missing, np.uint8(77), nir)
    masked = np.ma.masked_array(below, missing)
    colors = np.ma.masked_array(np.where(missing[..., None], np.float32(9), rgb), False)
    np.testing.assert_array_equal(baselines.fit_table([(masked, colors)]), expected)
    colors[missing] = np.ma.masked
    np.testing.assert_array_equal(baselines.fit_table([(below, colors)]), expected)
