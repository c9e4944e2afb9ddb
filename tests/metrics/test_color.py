"""CIEDE2000 against its authors' test pairs and scikit-image; colorfulness by its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from haqagen_jax import metrics
from haqagen_jax.metrics.color import delta_e_2000
from haqagen_jax.ops.color import rgb_to_lab

# Sharma, Wu and Dalal (2005), Table 1: L a b of both colors, and their difference.
PAIRS = np.fromstring(
    """
    50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
    50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
    50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
    50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
    50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
    50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
    50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
    50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
    50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
    50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
    50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
    50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
    50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
    50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
    50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
    50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
    60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
    63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
    61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
    35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
    22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
    36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
    90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
    90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
    6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
    2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
    """,
    sep=" ",
).reshape(34, 7)
FIRST, SECOND, DIFFERENCE = PAIRS[:, :3], PAIRS[:, 3:6], PAIRS[:, 6]
DELTA_E, CIEDE2000, LAB = map(jax.jit, (delta_e_2000, metrics.ciede2000, rgb_to_lab))
BLACK, GRAY, WHITE = ([value] * 3 for value in (0.0, 0.5, 1.0))


def test_the_published_pairs():
    with jax.enable_x64(True):
        for pair in ((FIRST, SECOND), (SECOND, FIRST)):
            np.testing.assert_allclose(DELTA_E(*pair), DIFFERENCE, atol=5.1e-5)


def test_difference_is_that_of_scikit_image(precision):
    rng = np.random.default_rng(0)
    labs = rng.uniform([0, -110, -110], [100, 110, 110], (2, 5000, 3)).astype(precision.dtype)
    near = labs[0] + rng.normal(size=(5000, 3)).astype(precision.dtype)
    for other in (labs[1], near):
        result = DELTA_E(labs[0], other)
        assert result.dtype == precision.dtype
        expected = deltaE_ciede2000(labs[0].astype(float), other.astype(float))
        np.testing.assert_allclose(
            result, expected, rtol=precision.tolerance, atol=precision.tolerance
        )


def test_mean_over_an_image(images, precision):
    pair = [array.astype(precision.dtype) for array in images]
    result = CIEDE2000(*pair)
    first, second = (np.asarray(LAB(jnp.asarray(image)), float) for image in pair)
    expected = deltaE_ciede2000(first, second).mean((1, 2))
    np.testing.assert_allclose(result, expected, rtol=precision.tolerance)
    # Its own Lab has matrix and white point rounded to six digits.
    theirs = [deltaE_ciede2000(rgb2lab(p), rgb2lab(t)).mean() for p, t in images.each]
    np.testing.assert_allclose(result, theirs, atol=5e-3)


def test_grays_and_equal_colors_are_finite():
    colors = np.array([BLACK, GRAY, WHITE, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    first, second = (array.reshape(-1, 1, 1, 3) for array in np.split(_all_pairs(colors), 2, 1))
    result = CIEDE2000(first, second)
    assert np.isfinite(result).all()
    same = (first == second).all((1, 2, 3))
    np.testing.assert_array_equal(result[same], 0)
    assert float(result[~same].min()) > 10
    np.testing.assert_allclose(result[2], 100, rtol=1e-4)  # black and white


def _all_pairs(colors):
    return np.stack([[first, second] for first in colors for second in colors])


@pytest.mark.parametrize("function", [lambda x: metrics.ciede2000(x, x), metrics.colorfulness])
def test_colors_are_needed(function):
    with pytest.raises(ValueError, match=r"images have 1 channels; .* needs 3"):
        function(jnp.ones((1, 2, 2, 1)))


def test_colorfulness_by_its_definition(images, precision):
    expected = []
    for image, _ in images.each:
        r, g, b = (255 * image.reshape(-1, 3)).T
        opponents = np.cov([r - g, 0.5 * (r + g) - b], ddof=0)
        means = np.mean(r - g), np.mean(0.5 * (r + g) - b)
        expected.append(np.sqrt(np.trace(opponents)) + 0.3 * np.hypot(*means))
    result = jax.jit(metrics.colorfulness)(images.prediction.astype(precision.dtype))
    assert result.dtype == precision.dtype
    np.testing.assert_allclose(result, expected, rtol=precision.tolerance)


def test_colorfulness_by_hand():
    halves = np.array([[[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]], [[GRAY, WHITE]]])
    np.testing.assert_allclose(
        metrics.colorfulness(halves), [255 + 0.3 * 127.5, 0], rtol=1e-6, atol=1e-4
    )
