"""The largest rectangle with data, against all that there are; and pairs of all kinds."""

import time

import imagecodecs
import numpy as np
import pytest
import tifffile

from haqagen_jax.data import valid_area
from haqagen_jax.data.pair import Encoded, FilePair, check_pair, decode_cropped, decode_pair
from haqagen_jax.data.valid_area import LEAST, crop_to_data, largest_rectangle
from haqagen_jax.errors import InputError
from haqagen_jax.images.resize import Window


def by_force(valid, least):
    """Area of the largest rectangle, from all of them."""
    height, width = valid.shape
    return max(
        (
            (bottom - top) * (right - left)
            for top in range(height)
            for bottom in range(top + least, height + 1)
            for left in range(width)
            for right in range(left + least, width + 1)
            if valid[top:bottom, left:right].all()
        ),
        default=0,
    )


@pytest.mark.parametrize("seed", range(40))
def test_no_rectangle_is_larger(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 10, 2))
    valid = rng.random(shape) < rng.choice([0.05, 0.5, 0.8, 0.95, 1.0])
    for least in (1, 2, 3):
        found = largest_rectangle(valid, least)
        expected = by_force(valid, least)
        if found is None:
            assert expected == 0
            continue
        top, left, height, width = found
        assert min(height, width) >= least
        assert valid[top : top + height, left : left + width].shape == (height, width)
        assert valid[top : top + height, left : left + width].all()
        assert height * width == expected


@pytest.mark.parametrize(
    ("valid", "window"),
    [
        (np.ones((5, 7), bool), Window(0, 0, 5, 7)),
        (np.zeros((5, 7), bool), None),
        (np.ones((1, 1), bool), Window(0, 0, 1, 1)),
        (np.ones((0, 4), bool), None),
        (np.ones((4, 0), bool), None),
        (np.tri(6, dtype=bool), Window(2, 0, 4, 3)),
        (np.pad(np.ones((3, 4), bool), 2), Window(2, 2, 3, 4)),
        (np.eye(4, dtype=bool), Window(0, 0, 1, 1)),
    ],
)
def test_known_rectangles(valid, window):
    assert largest_rectangle(valid) == window


def test_a_strip_is_not_taken_before_a_part_that_is_wide_enough():
    valid = np.zeros((40, 400), bool)
    valid[0] = True  # 400 pixels
    valid[10:28, 5:23] = True  # 324 pixels
    assert largest_rectangle(valid) == Window(0, 0, 1, 400)
    assert largest_rectangle(valid, LEAST) == Window(10, 5, 18, 18)


@pytest.mark.parametrize("kind", ["border", "holes", "turned"])
def test_a_large_image_takes_less_than_two_seconds(kind):
    rng = np.random.default_rng(0)
    valid = np.ones((4096, 4096), bool)
    if kind == "border":
        valid[:, :300] = False
    elif kind == "holes":
        valid[rng.integers(0, 4096, 500), rng.integers(0, 4096, 500)] = False
    else:
        y, x = np.mgrid[:4096, :4096]
        valid = abs(x - 2048) + abs(y - 2048) < 2000
    since = time.process_time()
    assert largest_rectangle(valid, LEAST) is not None
    assert time.process_time() - since < 2


def test_images_with_all_of_their_data_are_not_looked_at(monkeypatch):
    def looked(*_):
        pytest.fail("looked")

    monkeypatch.setattr(valid_area, "largest_rectangle", looked)
    monkeypatch.setattr(valid_area, "has_data", looked)
    nir, rgb = np.ones((20, 30), np.uint8), np.ones((20, 30, 3), np.uint8)
    same = crop_to_data(nir, rgb)
    assert same[0] is nir
    assert same[1] is rgb
    assert same[2] is None


SIZE = (48, 64)
FULL = np.zeros(SIZE, bool)
BORDER, RIGHT, HOLE, CORNER, SCATTERED, THIRD = (FULL.copy() for _ in range(6))
BORDER[:5], BORDER[-3:], BORDER[:, :7], BORDER[:, -2:] = True, True, True, True
RIGHT[:, 40:] = True
HOLE[20:30, 5:12] = True
CORNER[:20, :30] = True
SCATTERED[[3, 44, 40], [60, 2, 33]] = True
THIRD[:, :16] = True  # a tile or a strip's worth


def images(dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(SIZE).astype(dtype), rng.random((*SIZE, 3)).astype(dtype)
    top = np.iinfo(dtype).max
    return (
        rng.integers(1, top, SIZE, dtype),
        rng.integers(1, top, (*SIZE, 3), dtype),
    )


def tag(path, image, missing, value):
    image = image.copy()
    image[missing] = value
    rgb = image.ndim == 3
    text = str(value)
    tifffile.imwrite(
        path,
        image,
        photometric="rgb" if rgb else "minisblack",
        extratags=[(42113, "s", 0, text, True)],
    )


def alpha(path, image, missing):
    samples = image[..., None] if image.ndim == 2 else image
    top = np.iinfo(image.dtype).max
    opacity = np.where(missing, 0, top).astype(image.dtype)[..., None]
    path.write_bytes(imagecodecs.png_encode(np.concatenate([samples, opacity], -1)))


def nan(path, image, missing, value=np.nan):
    image = image.copy()
    image[missing] = value
    tifffile.imwrite(path, image, photometric="rgb" if image.ndim == 3 else "minisblack")


def plain(path, image, missing):
    assert not missing.any()
    tifffile.imwrite(path, image, photometric="rgb" if image.ndim == 3 else "minisblack")


def tiled(path, image, missing):
    """Write tiles of 16 pixels, of which those that hold nothing else are not there."""
    blank = [
        missing[top : top + 16, left : left + 16].all()
        for top in range(0, SIZE[0], 16)
        for left in range(0, SIZE[1], 16)
    ]
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    options = {"tile": (16, 16), "photometric": photometric}
    tifffile.imwrite(path, image, **options)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages.first.tags
        counts = [
            0 if gone else n for gone, n in zip(blank, file.pages.first.databytecounts, strict=True)
        ]
        tags[325].overwrite(counts)
        tags[324].overwrite(
            [0 if gone else n for gone, n in zip(blank, file.pages.first.dataoffsets, strict=True)]
        )


def masked(path, image, missing):
    """Write an internal mask, as GDAL does."""
    with tifffile.TiffWriter(path) as file:
        photometric = "rgb" if image.ndim == 3 else "minisblack"
        file.write(image, photometric=photometric)
        mask = ~missing
        file.write(mask, subfiletype=4, photometric=4)


def with_value(write, value):
    return lambda path, image, missing: write(path, image, missing, value)


CASES = {
    "nir tag, border": (np.uint8, with_value(tag, 0), BORDER, plain, FULL),
    "nir tag, half": (np.uint16, with_value(tag, 65535), RIGHT, plain, FULL),
    "nir tag, float": (np.float32, with_value(tag, -9999), HOLE, plain, FULL),
    "nir NaN": (np.float32, nan, SCATTERED, plain, FULL),
    "nir infinity": (np.float32, with_value(nan, -np.inf), CORNER, plain, FULL),
    "nir alpha": (np.uint8, alpha, BORDER, plain, FULL),
    "nir alpha, 16 bits": (np.uint16, alpha, HOLE, plain, FULL),
    "nir mask": (np.uint8, masked, CORNER, plain, FULL),
    "nir sparse": (np.uint16, tiled, THIRD, plain, FULL),
    "rgb tag": (np.uint8, plain, FULL, with_value(tag, 0), BORDER),
    "rgb alpha": (np.uint8, plain, FULL, alpha, CORNER),
    "rgb alpha, 16 bits": (np.uint16, plain, FULL, alpha, SCATTERED),
    "rgb NaN": (np.float32, plain, FULL, nan, HOLE),
    "rgb mask": (np.uint16, plain, FULL, masked, RIGHT),
    "rgb sparse": (np.uint8, plain, FULL, tiled, THIRD),
    "both, the same": (np.uint8, with_value(tag, 0), BORDER, alpha, BORDER),
    "both, another": (np.uint16, alpha, RIGHT, with_value(tag, 0), HOLE),
    "both, floats": (np.float32, nan, SCATTERED, nan, CORNER),
    "both, sparse and mask": (np.uint8, tiled, THIRD, masked, BORDER),
    "both, alpha": (np.uint8, alpha, HOLE, alpha, SCATTERED),
}


@pytest.fixture(params=CASES)
def written(request, tmp_path):
    """Write both images of a case, and return them, what is missing, and the pair."""
    dtype, write_nir, no_nir, write_rgb, no_rgb = CASES[request.param]
    nir, rgb = images(dtype)
    paths = []
    for band, write, image, missing in (
        ("nir", write_nir, nir, no_nir),
        ("rgb", write_rgb, rgb, no_rgb),
    ):
        paths.append(tmp_path / f"a_{band}.{'png' if write is alpha else 'tif'}")
        write(paths[-1], image, missing)
    return nir, rgb, no_nir, no_rgb, FilePair("a", *paths)


def test_a_pair_is_cropped_to_what_both_images_hold(written):
    nir, rgb, no_nir, no_rgb, pair = written
    valid = ~(no_nir | no_rgb)
    decoded = check_pair(pair.encoded())
    assert decoded.cut is not None
    top, left, height, width = decoded.cut.window
    part = np.s_[top : top + height, left : left + width]
    assert decoded.cut.size == SIZE
    assert decoded.cut.missing == (no_nir.sum(), no_rgb.sum())
    assert valid[part].all()
    assert decoded.cut.window == largest_rectangle(valid, LEAST)
    for got, image in ((decoded.nir, nir), (decoded.rgb, rgb)):
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, image[part])
    colors = decode_pair(pair.encoded())[1]
    assert type(colors) is np.ndarray
    assert colors.dtype == np.float32
    assert colors.shape == (height, width, 3)


DISJOINT = {
    "halves": (np.uint8, with_value(tag, 0), RIGHT, alpha, ~RIGHT),
    "nothing in nir": (np.float32, nan, ~FULL, plain, FULL),
    "nothing in rgb": (np.uint8, plain, FULL, alpha, ~FULL),
    "a strip of 15": (np.uint8, with_value(tag, 0), np.arange(48)[:, None] >= 15, plain, FULL),
    "two masks leave 12": (
        *(np.uint8, alpha, np.arange(48)[:, None] >= 30),
        *(masked, np.arange(48)[:, None] < 18),
    ),
}


@pytest.mark.parametrize("name", DISJOINT)
def test_a_pair_without_a_part_in_common_is_refused(tmp_path, name):
    dtype, write_nir, no_nir, write_rgb, no_rgb = DISJOINT[name]
    no_nir, no_rgb = (np.broadcast_to(x, SIZE) for x in (no_nir, no_rgb))
    nir, rgb = images(dtype)
    write_nir(tmp_path / "a_nir", nir, no_nir)
    write_rgb(tmp_path / "a_rgb", rgb, no_rgb)
    pair = FilePair("a", tmp_path / "a_nir", tmp_path / "a_rgb")
    message = (
        rf"a_nir: {no_nir.sum()} of 3072 pixels hold no data, nor do {no_rgb.sum()} of the color "
        r"image, and no part of 16x16 pixels holds data in both; "
    )
    with pytest.raises(InputError, match=message):
        decode_cropped(pair.encoded())


def test_a_cut_says_how_much():
    nir = np.ma.masked_array(np.ones(SIZE, np.uint8), BORDER)
    cut = crop_to_data(nir, np.ones((*SIZE, 3), np.uint8))[2]
    assert str(cut) == "64x48 cropped to 55x40, 28.4 % left out"


@pytest.mark.parametrize("color", [0, 9, 255])
def test_a_frame_of_one_color_is_a_fault(color):
    nir, rgb = images(np.uint8)
    flat = np.full_like(rgb, color)
    files = [bytes(imagecodecs.png_encode(image)) for image in (nir, flat)]
    encoded = Encoded(files[0], files[1], "n", "c")
    with pytest.raises(InputError, match=rf"^c: all 3072 pixels have the color {color}, {color}"):
        check_pair(encoded)
