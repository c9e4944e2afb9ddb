import colorsys

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.run.preview import loss_curves, sample_sheet


def images(sheet, h, w):
    """Cuts the images out of a sheet: the frame between them is white, under a title row."""
    inked = (sheet != 255).any(axis=-1)
    top = next(r for r in range(sheet.shape[0]) if inked[r].mean() > 0.8)
    lefts = [c for c in range(1, sheet.shape[1]) if inked[top, c] and not inked[top, c - 1]]
    tops = [
        r for r in range(top, sheet.shape[0]) if inked[r, lefts[0]] and not inked[r - 1, lefts[0]]
    ]
    return [[sheet[r : r + h, c : c + w] for c in lefts] for r in tops]


def test_the_sheet_holds_every_image_in_its_place():
    rng = np.random.default_rng(0)
    b, h, w = 2, 40, 120
    nir = rng.uniform(0.1, 0.9, (b, h, w, 1)).astype(np.float32)
    pred, hsv, rgb = rng.uniform(0.1, 0.9, (3, b, h, w, 3)).astype(np.float32)
    sheet = sample_sheet(nir, jnp.asarray(pred), hsv, rgb)
    assert sheet.dtype == np.uint8
    rows = images(sheet, h, w)
    assert [len(row) for row in rows] == [4, 4]
    for i, (gray, color, from_hsv, truth) in enumerate(rows):
        np.testing.assert_array_equal(gray, np.rint(nir[i] * 255).repeat(3, axis=-1))
        np.testing.assert_array_equal(color, np.rint(pred[i] * 255))
        np.testing.assert_array_equal(truth, np.rint(rgb[i] * 255))
        expected = [[colorsys.hsv_to_rgb(*pixel) for pixel in line] for line in hsv[i].tolist()]
        np.testing.assert_allclose(from_hsv, np.array(expected) * 255, atol=0.51)
    titles = np.any(sheet[:25] < 128, axis=-1)
    assert all(titles[:, k * (w + 6) : (k + 1) * (w + 6)].any() for k in range(4))


def test_the_sheet_clips_and_draws_nan_black():
    image = np.full((1, 8, 120, 3), np.nan, np.float32)
    image[:, :, 60:] = 7.0
    sheet = sample_sheet(image[..., :1], image, image, np.full_like(image, -3.0))
    assert set(np.unique(sheet[-10:-7].reshape(-1, 3)[:, 0])) == {0, 255}


def history(term, values):
    return {term: [(step * 10, float(value)) for step, value in enumerate(values)]}


def test_the_curves_are_a_readable_png_that_grows_with_the_terms(tmp_path):
    path = tmp_path / "losses.png"
    sizes = []
    for terms in (1, 4):
        loss_curves({f"term {i}": [(1, 2.0), (2, 1.0)] for i in range(terms)}, path)
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.mode == "RGB"
            sizes.append(image.size)
    assert sizes[1][0] > 2 * sizes[0][0]
    assert sizes[1][1] == 2 * sizes[0][1]
    assert [file.name for file in tmp_path.iterdir()] == ["losses.png"]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [np.nan, np.nan],
        [3.0, np.inf, -1.0, 0.0],
        np.geomspace(1, 1e-9, 400),
        np.full(500, 0.25),
        np.sin(np.arange(100)),
    ],
    ids=["empty", "one", "nan", "mixed", "decades", "constant", "long"],
)
def test_any_history_can_be_drawn(tmp_path, values):
    loss_curves(history("term", values), tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as image:
        blue = np.asarray(image).astype(int)
    drawn = (blue[..., 2] - blue[..., 0] > 40).any()
    assert drawn == bool(np.isfinite(np.asarray(values, float)).any())


def test_an_exponential_decay_is_a_straight_line_and_a_linear_one_too(tmp_path):
    """The first needs a logarithmic axis, the second must not have one."""
    for values in (np.geomspace(5.0, 0.05, 90), np.linspace(18.0, 13.0, 90)):
        loss_curves(history("term", values), tmp_path / "losses.png")
        with Image.open(tmp_path / "losses.png") as image:
            pixels = np.asarray(image).astype(int)
        y, x = np.nonzero(pixels[..., 2] - pixels[..., 0] > 80)
        assert np.corrcoef(x, y)[0, 1] > 0.9995


def test_an_image_survives_a_failed_update(tmp_path):
    path = tmp_path / "losses.png"
    loss_curves(history("term", [1.0, 2.0]), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="history is empty"):
        loss_curves({}, path)
    assert path.read_bytes() == before
