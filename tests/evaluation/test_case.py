"""What a case shows is what was computed, by another way."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.evaluation.case import COLOURS, ERROR_SCALE, POINTS, case


def picture(uri):
    kind, data = uri.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(float) / 255


def arrays(h=40, w=60, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.linspace(0, 1, w)[None, :, None] * np.ones((h, 1, 3))
    truth = (0.6 * smooth + 0.1 * rng.random(3)).astype(np.float32)
    nir = (1000 + 5000 * smooth[..., 0]).astype(np.uint16)
    return nir, truth + np.float32(0.2), truth


def test_pictures():
    nir, prediction, truth = arrays()
    found = case("a", nir, prediction, truth)
    assert (found.name, found.size) == ("a", (40, 60))
    ramp = np.linspace(0, 1, 60)[None, :, None]
    for uri, expected in ((found.nir, ramp), (found.prediction, prediction), (found.truth, truth)):
        shown = picture(uri)
        assert shown.shape == (40, 60, 3)
        assert np.abs(shown - expected).mean() < 0.02


@pytest.mark.parametrize(("off", "place"), [(0.0, 0.0), (0.2, 0.4), (0.25, 0.5), (0.8, 1.0)])
def test_errors_have_one_scale(off, place):
    """Alone, a picture's largest error would have the map's last colour."""
    truth = np.full((20, 20, 3), 0.1, np.float32)
    found = picture(case("a", np.eye(20, dtype=np.uint8), truth + np.float32(off), truth).error)
    expected = mpl.colormaps[COLOURS](place)[:3]
    np.testing.assert_allclose(found.mean((0, 1)), expected, atol=0.02)
    assert ERROR_SCALE == 0.5


def test_error_is_the_root_mean_square_over_channels():
    truth = np.full((20, 20, 3), 0.3, np.float32)
    prediction = truth + np.array([0.3, 0.0, 0.0], np.float32)
    found = picture(case("a", np.eye(20, dtype=np.uint8), prediction, truth).error)
    expected = mpl.colormaps[COLOURS](0.3 / 3**0.5 / ERROR_SCALE)[:3]
    np.testing.assert_allclose(found.mean((0, 1)), expected, atol=0.02)


def test_curves():
    rng = np.random.default_rng(1)
    prediction = rng.random((30, 20, 3)).astype(np.float32) ** 2
    truth = np.round(rng.random((30, 20, 3)) * 255).astype(np.float32) / np.float32(255)
    found = case("a", np.eye(30, 20), prediction, truth)
    for image, curves in ((prediction, found.predicted), (truth, found.true)):
        for channel, curve in enumerate(curves):
            for i in range(POINTS):
                share = (image[..., channel] <= np.float32(i / (POINTS - 1))).mean()
                assert curve[i] == pytest.approx(share, abs=1e-4)
            assert curve[-1] == 1.0


def test_large_pictures_are_shown_small():
    nir, prediction, truth = arrays(600, 1100)
    found = case("a", nir, prediction, truth)
    assert found.size == (600, 1100)
    for uri in (found.nir, found.prediction, found.truth, found.error):
        assert picture(uri).shape == (279, 512, 3)
