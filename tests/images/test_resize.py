import tracemalloc

import numpy as np
import pytest
from skimage.transform import resize as skimage_resize

from haqagen_jax.images.resize import Window, clamp_size, reduce, resize


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((340, 512), 512, (340, 512)),
        ((680, 1024), 512, (340, 512)),
        ((1024, 681), 512, (512, 340)),
        ((10, 20), 512, (10, 20)),
        ((1, 4000), 512, (1, 512)),
        ((768, 1025), 512, (384, 512)),
    ],
)
def test_clamp_size_keeps_the_aspect_ratio(size, limit, expected):
    assert clamp_size(size, limit) == expected


def test_resize_is_antialiased_bounded_and_the_same_for_every_channel():
    rng = np.random.default_rng(0)
    image = np.repeat(rng.integers(0, 2, (90, 120, 1)).astype(np.float32), 4, axis=-1)
    out = resize(image, (30, 40))
    assert out.shape == (30, 40, 4)
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 1
    np.testing.assert_array_equal(out, np.repeat(out[..., :1], 4, axis=-1))
    # Independent: a smooth image, reduced by another library.
    y, x = np.mgrid[:90, :120] / 20.0
    smooth = (0.5 + 0.4 * np.sin(y) * np.cos(x)).astype(np.float32)[..., None]
    other = np.asarray(skimage_resize(smooth, (30, 40, 1), order=3, anti_aliasing=True))
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(resize(smooth, (30, 40))[inner], other[inner], atol=0.02)
    # Noise of single pixels must average out; nearest neighbors would keep its deviation of 0.5.
    assert out.std() < 0.25


def test_resizing_to_the_same_size_changes_nothing():
    image = np.random.default_rng(0).random((5, 7, 4), dtype=np.float32)
    np.testing.assert_array_equal(resize(image, (5, 7)), image)


@pytest.mark.parametrize("size", [(50, 100), (61, 77), (100, 200), (150, 210)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_window_equals_a_crop_of_the_whole(size, dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (100, 200, 3)).astype(dtype)
    if dtype == "float32":
        image /= 255
    elif dtype == "uint16":
        image *= 257
    whole = resize(image, size)
    assert whole.dtype == np.float32
    h, w = size
    for window in (
        Window(0, 0, h, w),
        Window(0, 0, 20, 30),
        Window(h - 20, w - 30, 20, 30),
        Window(17, 23, 1, 40),
    ):
        top, left, height, width = window
        expected = whole[top : top + height, left : left + width]
        # Pillow takes the window's position in float32: to a ten-thousandth of a pixel here.
        np.testing.assert_allclose(resize(image, size, window), expected, atol=2e-4)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((100, 133), (38, 51)),
        ((700, 20), (512, 15)),
        ((33, 1000), (17, 512)),
        ((1, 900), (1, 512)),
        ((513, 513), (512, 512)),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_reducing_by_rows_equals_resizing(before, after, step):
    image = np.random.default_rng(0).random(before, dtype=np.float32)
    expected = resize(image[..., None], after)[..., 0]
    found = [
        reduce(lambda a, b: image[a:b], before, after, start=i, stop=min(i + step, after[0]))
        for i in range(0, after[0], step)
    ]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-6)


def test_reducing_a_large_image_takes_little_memory():
    """Memory does not grow with the image's height, whether the image is narrow or wide."""
    for before, after, wanted in (
        ((200_000, 3), (100_000, 2), (50_000, 50_256)),
        ((20_000, 2000), (10_000, 1000), (5000, 5256)),
        ((12_288, 1), (512, 1), (0, 512)),
    ):
        tracemalloc.start()
        reduce(
            lambda a, b, w=before[1]: np.zeros((b - a, w), np.float32),
            before, after, start=wanted[0], stop=wanted[1],
        )  # fmt: skip
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16e6, before
