"""Validation scores: means over the true pairs, against numpy; samples as the sheet wants them."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from haqagen_jax.config.schema import Config, DataConfig, ModelConfig, TrainConfig
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.images import files as image_files
from haqagen_jax.models.factory import init_generator, make_generator
from haqagen_jax.nir.preparation import prepare_nir
from haqagen_jax.ops.color import linear_to_srgb
from haqagen_jax.run.validation import make_validation
from haqagen_jax.train.sharding import make_mesh

CONFIG = Config(
    model=ModelConfig(width=8, d_state=2, spade_hidden=4, hsv_width=4, critic_width=4),
    train=TrainConfig(batch_size=2, validation_samples=2),
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("val")
    # Three pairs in batches of two: the second batch is filled up with a copy.
    return write_pairs(folder, count=3, sizes=[(256, 290)], depths=[Depth.PNG_8], seed=0)


def decoded(encoded: np.ndarray) -> np.ndarray:
    """sRGB to linear light, IEC 61966-2-1."""
    low = encoded / 12.92
    return np.where(encoded <= 0.04045, low, ((encoded + 0.055) / 1.055) ** 2.4)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return -10 * np.log10(np.mean((a - b) ** 2))


def angle(a: np.ndarray, b: np.ndarray) -> float:
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()


@pytest.mark.parametrize("transfer", ["srgb", "linear"])
def test_scores_are_means_over_the_pairs(stand_in, pairs, transfer):
    config = dataclasses.replace(CONFIG, data=DataConfig(rgb_transfer=transfer))
    mesh = make_mesh(config.train, jax.devices()[:1])
    variables = init_generator(jax.random.key(0), config.model)
    scores, samples = make_validation(config, pairs, mesh)(variables)

    expected = []
    for pair in pairs:
        nir = prepare_nir(image_files.read_nir(pair.nir), equalize=True)[:, 17:273]
        truth = image_files.read_rgb(pair.rgb)[:, 17:273].astype(np.float64)
        output: Any = make_generator(config.model).apply(variables, nir[None])
        prediction = output.rgb[0]
        if transfer == "linear":
            prediction = linear_to_srgb(prediction)
        prediction = np.asarray(prediction, np.float64)
        light = decoded(prediction), decoded(truth)
        expected.append(
            {
                "psnr": psnr(prediction, truth),
                "ssim": structural_similarity(prediction, truth, data_range=1, channel_axis=-1),
                "angular_error": angle(prediction, truth),
                "psnr_linear": psnr(*light),
                "angular_error_linear": angle(*light),
            }
        )
    assert scores.keys() == expected[0].keys()
    for name, value in scores.items():
        np.testing.assert_allclose(value, np.mean([e[name] for e in expected]), rtol=2e-3)

    # The first two pairs, sRGB-encoded in both cases.
    assert [x.shape for x in samples] == [(2, 256, 256, c) for c in (1, 3, 3, 3)]
    second = image_files.read_rgb(pairs[1].rgb)[:, 17:273]
    np.testing.assert_allclose(samples.rgb[1], second, atol=2e-3)
    np.testing.assert_allclose(
        psnr(samples.rgb_pred[0], samples.rgb[0]), expected[0]["psnr"], rtol=1e-3
    )


def test_only_images_that_are_shown_leave_the_devices(stand_in, pairs, monkeypatch):
    fetched, device_get = [], jax.device_get

    def counting(tree):
        fetched.extend(x.shape for x in jax.tree.leaves(tree) if np.ndim(x) == 4)
        return device_get(tree)

    monkeypatch.setattr(jax, "device_get", counting)
    mesh = make_mesh(CONFIG.train, jax.devices()[:1])
    variables = init_generator(jax.random.key(0), CONFIG.model)
    scores, samples = make_validation(CONFIG, pairs, mesh)(variables)
    # Two batches are scored; the two samples that are shown are the first.
    assert np.isfinite(scores["psnr"])
    assert fetched == [(2, 256, 256, c) for c in (1, 3, 3, 3)]
    assert len(samples.rgb) == 2
