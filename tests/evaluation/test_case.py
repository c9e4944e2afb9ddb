"""What a case shows is what another computation finds in the arrays."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.evaluation.case import POINTS, make_case


def decode(uri):
    kind, _, data = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(np.float64) / 255


def ramps(h, w):
    """Four different smooth images, so that none can stand for another."""
    y, x = np.mgrid[:h, :w].astype(np.float32) / np.array([h, w], np.float32)[:, None, None]
    truth = np.stack([x, y, 1 - x], -1)
    return x * 0.3 + 5, 0.2 + 0.5 * truth, truth


def test_each_image_shows_its_array():
    nir, prediction, truth = ramps(48, 64)
    case = make_case("a", nir, prediction, truth)
    assert case.name == "a"
    assert case.size == (48, 64)
    unit = np.repeat(((nir - nir.min()) / (nir.max() - nir.min()))[..., None], 3, -1)
    for uri, expected in ((case.nir, unit), (case.prediction, prediction), (case.truth, truth)):
        np.testing.assert_allclose(decode(uri), expected, atol=0.06)


@pytest.mark.parametrize(
    "nir",
    [
        np.array([[0, 65_535], [32_768, 65_535]], np.uint16),
        np.array([[3, 5], [4, 5]], np.uint8),
        np.array([[-1.5, 0.5], [-0.5, 0.5]], np.float32),
    ],
    ids=lambda x: x.dtype.name,
)
def test_nir_of_any_type_is_shown_from_its_minimum_to_its_maximum(nir):
    color = np.zeros((16, 16, 3), np.float32)
    image = decode(make_case("a", np.kron(nir, np.ones((8, 8), nir.dtype)), color, color).nir)
    blocks = image.reshape(2, 8, 2, 8, 3).mean((1, 3, 4))
    np.testing.assert_allclose(blocks, [[0, 1], [0.5, 1]], atol=0.02)


@pytest.mark.parametrize("size", [(600, 1000), (1000, 600), (513, 20), (3, 2000)])
def test_all_images_have_one_size_of_at_most_512(size):
    case = make_case("a", *ramps(*size))
    assert case.size == size
    shapes = {decode(x).shape for x in (case.nir, case.prediction, case.truth, case.error)}
    h, w = (max(1, round(side * 512 / max(size))) for side in size)
    assert shapes == {(h, w, 3)}


@pytest.mark.parametrize(
    ("off", "error"),
    [
        ((0.0, 0.0, 0.0), 0.0),
        ((0.25, 0.25, -0.25), 0.25),
        ((0.3, 0.0, 0.0), 0.3 / 3**0.5),  # a mean of magnitudes would be 0.1
        ((0.5, -0.5, 0.5), 0.5),
        ((0.9, 0.9, 0.9), 0.5),  # shown like the end of the scale
    ],
)
def test_an_error_has_its_color_on_the_fixed_scale(off, error):
    truth = np.where(np.float32(off) < 0, np.float32(0.7), np.float32(0.05)) * np.ones((32, 32, 1))
    truth = truth.astype(np.float32)
    case = make_case("a", np.eye(32), truth + np.float32(off), truth)
    expected = mpl.colormaps["magma"](error / 0.5)[:3]
    np.testing.assert_allclose(decode(case.error).mean((0, 1)), expected, atol=0.02)


def test_errors_of_parts_do_not_shift_each_other():
    truth = np.zeros((64, 64, 3), np.float32)
    prediction = truth.copy()
    prediction[:, 32:] = 0.1  # alone it would be the largest error of the image
    image = decode(make_case("a", np.eye(64), prediction, truth).error)
    colors = mpl.colormaps["magma"]([0.0, 0.2])[:, :3]
    np.testing.assert_allclose(image[:, :24].mean((0, 1)), colors[0], atol=0.02)
    np.testing.assert_allclose(image[:, 40:].mean((0, 1)), colors[1], atol=0.02)


def test_a_fine_error_survives_the_reduction():
    """A checkerboard is gray in the small image; its error must not vanish with it."""
    board = (np.indices((1024, 1024)).sum(0) % 2).astype(np.float32)[..., None] * np.ones(3)
    prediction = (0.4 + 0.2 * board).astype(np.float32)
    case = make_case("a", board[..., 0], prediction, np.full_like(prediction, 0.5))
    expected = mpl.colormaps["magma"](0.1 / 0.5)[:3]
    np.testing.assert_allclose(decode(case.error).mean((0, 1)), expected, atol=0.02)


def test_curves_are_the_shares_of_pixels_up_to_each_level():
    rng = np.random.default_rng(1)
    prediction = rng.random((30, 20, 3), np.float32) ** np.array([1, 2, 4], np.float32)
    truth = rng.integers(0, 256, (30, 20, 3)).astype(np.float32) / np.float32(255)
    truth[0, 0], truth[0, 1] = 0, 1
    case = make_case("a", rng.random((30, 20)), prediction, truth)
    for image, curves in ((prediction, case.predicted), (truth, case.true)):
        assert curves.shape == (3, 64)
        for channel in range(3):
            for i in range(POINTS):
                # 21/63 and 42/63 are levels of 8 bits, too: they count as reached.
                count = sum(x <= np.float32(i / 63) for x in image[..., channel].flat)
                assert curves[channel, i] == pytest.approx(count / 600, abs=1e-12)
