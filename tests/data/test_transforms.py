import colorsys

import numpy as np
import pytest

from haqagen_jax.data import transforms


def coordinates(h, w):
    """Make (h, w, 4) whose pixels hold their own position, in both images of a pair."""
    y, x = np.mgrid[:h, :w].astype(np.uint16)
    return np.stack([y * 1000 + x, y, x, y * 1000 + x], axis=-1)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 300), (255, 256), (100, 30)])
def test_pad_to_reflects_the_image_up_to_the_side(h, w):
    image = coordinates(h, w)
    out = transforms.pad_to(image, 256)
    assert out.shape == (max(h, 256), max(w, 256), 4)
    top, left = (out.shape[0] - h) // 2, (out.shape[1] - w) // 2
    np.testing.assert_array_equal(out[top : top + h, left : left + w], image)
    np.testing.assert_array_equal(np.unique(out[..., 1]), np.arange(h))
    if left > 0 and w > 1:  # reflected without repeating the edge
        np.testing.assert_array_equal(out[:, left - 1], out[:, left + 1])


def test_the_crop_lies_within_the_precrop():
    corners = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        window = transforms.random_crop((400, 1000), rng, crop=256, precrop=384)
        assert window[2:] == (256, 256)
        corners.append(window[:2])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    assert (low < [10, 80]).all()
    assert (high > [134, 664]).all()
    assert (high <= [400 - 256, 1000 - 256]).all()
    # Two nested crops: the variance is the sum of the two uniform ones.
    expected = [np.sqrt(((a + 1) ** 2 + (b + 1) ** 2 - 2) / 12) for a, b in [(16, 128), (616, 128)]]
    np.testing.assert_allclose(np.std(corners, axis=0), expected, rtol=0.12)


def test_a_crop_without_a_precrop_reaches_every_position():
    windows = [
        transforms.random_crop((258, 256), np.random.default_rng(s), crop=256, precrop=0)
        for s in range(40)
    ]
    assert {window.top for window in windows} == {0, 1, 2}
    assert {window.left for window in windows} == {0}


@pytest.mark.parametrize(("size", "corner"), [((256, 256), (0, 0)), ((300, 259), (22, 1))])
def test_the_central_crop_is_in_the_middle(size, corner):
    assert transforms.central_crop(size, crop=256) == (*corner, 256, 256)


def test_random_orientation_draws_all_eight_and_rotates_only_if_asked():
    image = coordinates(3, 3)
    orientations = [np.rot90(m, k) for m in (image, image[:, ::-1]) for k in range(4)]
    seen = set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        out = transforms.random_orientation(image, rng, flip=0.5, rotate=True)
        (found,) = [i for i, t in enumerate(orientations) if np.array_equal(t, out)]
        seen.add(found)
        rng = np.random.default_rng(seed)
        kept = transforms.random_orientation(image, rng, flip=1.0, rotate=False)
        np.testing.assert_array_equal(kept, image[:, ::-1])
    assert seen == set(range(8))


@pytest.mark.parametrize("factor", [0.0, 0.9, 1.0, 1.1, 3.0])
def test_scaling_saturation_equals_scaling_it_in_hsv(factor):
    rng = np.random.default_rng(1)
    rgb = rng.random((12, 12, 3), dtype=np.float32)
    rgb[0, 0], rgb[0, 1], rgb[0, 2] = 0.0, 1.0, 0.4  # black, white, gray
    rgb[1, :3] = np.eye(3, dtype=np.float32)
    out = transforms.scale_saturation(rgb, factor)
    assert out.dtype == np.float32
    for index in np.ndindex(12, 12):
        h, s, v = colorsys.rgb_to_hsv(*(float(c) for c in rgb[index]))
        expected = colorsys.hsv_to_rgb(h, min(s * factor, 1.0), v)
        np.testing.assert_allclose(out[index], expected, atol=2e-6)


def test_srgb_to_linear_has_the_standard_values():
    values = np.array([0.0, 0.04045, 0.5, 1.0], np.float32)
    expected = [0.0, 0.0031308, 0.2140411, 1.0]
    np.testing.assert_allclose(transforms.srgb_to_linear(values), expected, atol=1e-6)
