"""Pixels without data in every type and layout of TIFF, read whole and by parts."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import tifffile

from haqagen_jax.images import source
from haqagen_jax.images.bands import Choice
from haqagen_jax.images.nodata import read_tag
from haqagen_jax.images.source import open_nir

NODATA = {
    "uint8": 0,
    "uint16": 65535,
    "int8": -128,
    "int16": -32768,
    "int32": -9999,
    "uint32": 4294967295,
    "float16": -9999,
    "float32": "-3.4028234663852886e+38",
    "float64": "nan",
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "tiles": {"tile": (16, 16)},
    "big-endian": {"byteorder": ">", "rowsperstrip": 5},
    "BigTIFF": {"bigtiff": True, "tile": (32, 16)},
    "zlib": {"compression": "zlib", "tile": (16, 16), "predictor": True},
    "zlib, big-endian": {"compression": "zlib", "rowsperstrip": 9, "byteorder": ">"},
    "planar": {"planarconfig": "separate", "rowsperstrip": 11},
    "planar tiles": {"planarconfig": "separate", "tile": (16, 16), "compression": "zlib"},
    "chunky": {"planarconfig": "contig", "tile": (16, 16)},
    "sparse": {"tile": (16, 16)},
    "miniswhite": {"photometric": "miniswhite", "rowsperstrip": 7},
}
CASES = [
    (dtype, layout)
    for dtype, layout in itertools.product(NODATA, LAYOUTS)
    if layout != "miniswhite" or dtype.startswith("uint")
]


def nodata_tag(text) -> dict[str, Any]:
    return {"extratags": [(42113, 2, 0, str(text), True)]}


def scene(dtype, height=45, width=52):
    """An image of the type, none of whose pixels has the nodata value."""
    levels = np.random.default_rng(3).integers(2, 120, (height, width))
    return (levels / 7 if np.dtype(dtype).kind == "f" else levels).astype(dtype)


def gaps(image):
    """A frame, a hole, and the tile at the lower left."""
    missing = np.ones(image.shape, bool)
    missing[3:-5, 4:-2] = False
    missing[20:24, 30:33] = True
    missing[32:, :16] = True
    return missing


def write(path, image, missing, layout):
    """Write an image with gaps; returns the choice of its band."""
    dtype, options, text = image.dtype, dict(LAYOUTS[layout]), NODATA[image.dtype.name]
    fill = np.float64(text).astype(dtype) if dtype.kind == "f" else dtype.type(text)
    stored = np.where(missing, fill, image)
    options |= {"metadata": None, "photometric": options.get("photometric", "minisblack")}
    options |= nodata_tag(text)
    choice = Choice()
    if layout == "miniswhite":  # the tag is of what is stored
        stored = np.where(missing, fill, np.invert(image))
    if layout.startswith("planar"):
        stored, choice = np.stack([stored[::-1], stored, stored[:, ::-1]]), Choice("2")
    if layout == "chunky":
        stored, choice = np.stack([stored[::-1], stored, stored[:, ::-1]], -1), Choice("2")
    if layout == "sparse":
        padded = np.pad(stored, [(0, 3), (0, 12)])
        tiles = (
            None if (y, x) == (32, 0) else padded[y : y + 16, x : x + 16]
            for y in range(0, 48, 16)
            for x in range(0, 64, 16)
        )
        tifffile.imwrite(path, tiles, shape=stored.shape, dtype=dtype, **options)
    else:
        tifffile.imwrite(path, stored, **options)
    return choice


@pytest.mark.parametrize("by_parts", [False, True], ids=["whole", "by parts"])
@pytest.mark.parametrize(("dtype", "layout"), CASES)
def test_gaps_of_every_type_and_layout(tmp_path, monkeypatch, dtype, layout, by_parts):
    monkeypatch.setattr(source, "BLOCK", 100 if by_parts else 1 << 20)
    image = scene(dtype)
    missing = gaps(image)
    choice = write(tmp_path / "a.tif", image, missing, layout)
    opened = open_nir(tmp_path / "a.tif", choice=choice)
    pieces = [opened.source.rows(start, min(start + 8, 45)) for start in range(0, 45, 8)]
    got = np.ma.concatenate(pieces)
    np.testing.assert_array_equal(np.ma.getmaskarray(got), missing)
    np.testing.assert_array_equal(np.ma.getdata(got)[~missing], image[~missing])
    if image.dtype.kind == "f":
        assert got.dtype == dtype
    # As marked by the input, or 0 where the type of the colors cannot hold that.
    tag = opened.marking.tag
    colors = np.zeros((45, 52, 3), np.float32)
    colors[missing] = np.nan
    stored = opened.marking.stored(colors, opened.colors, 0)
    gap = stored[missing].astype(np.float64)
    if np.can_cast(dtype, opened.colors) or image.dtype.kind == "f":
        assert tag == str(NODATA[dtype])
        assert ((gap == np.float64(opened.marking.value)) | np.isnan(gap)).all()
        assert np.isnan(gap).all() == (tag == "nan")
    else:
        assert tag == "0"
        assert (gap == 0).all()
    assert not (stored[~missing] == opened.marking.value).any()
    assert np.abs(stored[~missing].astype(float)).max() <= 1  # the next one beside 0


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("uint8", "nan", None),
        ("uint8", "-9999", None),
        ("uint8", "256", None),
        ("uint8", "0.5", None),
        ("uint8", "255.0", 255),
        ("uint8", " 7 ", 7),
        ("uint8", "0 0", 0),
        ("uint8", " ", None),
        ("uint8", "none", None),
        ("uint8", "1" * 400, None),
        ("uint8", "1" * 5000, None),
        ("float32", "1" * 400, np.inf),
        ("float32", "1e40", 1e40),
        ("float32", "-inf", -np.inf),
        ("float32", "nan", np.nan),
        ("float64", "1e40", 1e40),
        ("int16", "-32768", -32768),
        ("int16", "1e5", None),
        ("uint32", "4294967295", 4294967295),
        ("uint16", "\x01\x7f;", None),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_nodata_tag_means(tmp_path, dtype, text, value):
    image = np.arange(30).reshape(5, 6).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, **nodata_tag(text))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag = read_tag(file.pages.first)
    np.testing.assert_equal(None if tag is None else float(tag.value), value)
    opened = open_nir(tmp_path / "a.tif")
    missing = np.ma.getmaskarray(opened.source.rows(0, 5))
    np.testing.assert_array_equal(missing, image.astype(float) == (-1 if value is None else value))


def masked_tiff(path, image, mask, *, overviews=False, planar=False, **changes):
    options: Any = {"metadata": None, "tile": (16, 16), "compression": "zlib"} | changes
    with tifffile.TiffWriter(path) as file:
        bands = np.stack([image[::-1], image]) if planar else image
        more: Any = {"planarconfig": "separate"} if planar else {}
        file.write(bands, photometric="minisblack", **more, **options)
        file.write(mask, subfiletype=4, **options)
        if overviews:
            file.write(image[::2, ::2], subfiletype=1, **options)
            file.write(mask[::2, ::2], subfiletype=5, **options)


@pytest.mark.parametrize("by_parts", [False, True], ids=["whole", "by parts"])
@pytest.mark.parametrize("overviews", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("options", [{}, {"compression": None}, {"tile": None}])
def test_internal_masks(tmp_path, monkeypatch, by_parts, overviews, planar, options):
    monkeypatch.setattr(source, "BLOCK", 100 if by_parts else 1 << 20)
    image = scene("uint16")
    missing = gaps(image)
    masked_tiff(tmp_path / "a.tif", image, ~missing, overviews=overviews, planar=planar, **options)
    opened = open_nir(tmp_path / "a.tif", choice=Choice("2" if planar else None))
    got = np.ma.concatenate([opened.source.rows(0, 30), opened.source.rows(30, 45)])
    np.testing.assert_array_equal(np.ma.getmaskarray(got), missing)
    np.testing.assert_array_equal(np.ma.getdata(got), image)
    assert opened.marking.kind == "mask"


def test_a_mask_of_eight_bits(tmp_path, monkeypatch):
    """Of other programs: tifffile writes none, so the flag of the second image is set here."""
    image = scene("uint8")
    missing = gaps(image)
    path = tmp_path / "a.tif"
    for block in (100, 1 << 20):
        monkeypatch.setattr(source, "BLOCK", block)
        with tifffile.TiffWriter(path) as file:
            file.write(image, photometric="minisblack", metadata=None)
            mask = np.where(missing, 0, 255).astype("u1")
            file.write(mask, photometric="minisblack", metadata=None, subfiletype=0)
        with tifffile.TiffFile(path, mode="r+") as file:
            page: Any = file.pages[1]
            page.tags[262].overwrite(4)
            page.tags[254].overwrite(4)
        got = open_nir(path).source.rows(0, 45)
        np.testing.assert_array_equal(np.ma.getmaskarray(got), missing)


def test_planes_of_a_sparse_file_are_missing_by_band(tmp_path, monkeypatch):
    image = scene("uint8", 32, 32)
    tiles = [image[y : y + 16, x : x + 16] for y in (0, 16) for x in (0, 16)]
    tiles = [*tiles, None, *tiles[1:]]
    options: Any = {"planarconfig": "separate", "photometric": "minisblack", "tile": (16, 16)}
    tifffile.imwrite(
        tmp_path / "a.tif", iter(tiles), shape=(2, 32, 32), dtype="uint8", metadata=None, **options
    )
    for block, band in itertools.product((100, 1 << 20), "12"):
        monkeypatch.setattr(source, "BLOCK", block)
        got = open_nir(tmp_path / "a.tif", choice=Choice(band)).source.rows(0, 32)
        missing = np.zeros((32, 32), bool)
        missing[:16, :16] = band == "2"
        np.testing.assert_array_equal(np.ma.getmaskarray(got), missing)
        np.testing.assert_array_equal(np.ma.getdata(got)[~missing], image[~missing])


def test_a_single_strip_that_is_not_there_holds_no_data(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, scene("uint8"), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        for code in (273, 279):
            file.pages.first.tags[code].overwrite(0)
    monkeypatch.setattr(source, "BLOCK", 100)
    assert np.ma.getmaskarray(open_nir(path).source.rows(3, 7)).all()


@pytest.mark.parametrize("by_parts", [False, True], ids=["whole", "by parts"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_alpha_takes_out_and_keeps_its_soft_edge(
    tmp_path, monkeypatch, by_parts, dtype, kind, photometric
):
    monkeypatch.setattr(source, "BLOCK", 100 if by_parts else 1 << 20)
    if photometric == "miniswhite" and (dtype == "float32" or kind == "assocalpha"):
        pytest.skip("no such files")
    full: Any = 1 if dtype == "float32" else np.iinfo(dtype).max
    image = (np.random.default_rng(1).random((45, 52)) * full).astype(dtype)
    alpha = np.full(image.shape, full, dtype)
    alpha[:6], alpha[6:12] = 0, full * 0.5
    stored = np.invert(image) if photometric == "miniswhite" else image
    if kind == "assocalpha":
        stored = (image.astype(float) * alpha / full).round(6 if full == 1 else 0).astype(dtype)
    options: Any = {"photometric": photometric, "extrasamples": (kind,), "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([stored, alpha]), metadata=None, **options)
    opened = open_nir(tmp_path / "a.tif")
    got = opened.source.rows(0, 45)
    np.testing.assert_array_equal(np.ma.getmaskarray(got), alpha == 0)
    np.testing.assert_allclose(
        np.ma.getdata(got)[6:].astype(float),
        image[6:].astype(float),
        atol=1e-5 * full + (full > 1) * 1.5,
    )
    colors = np.full((45, 52, 3), 0.5, np.float32)
    colors[:6] = np.nan
    marking = opened.marking.in_format(".tif")
    parts = [marking.stored(colors[a : a + 9], opened.colors, a) for a in range(0, 45, 9)]
    np.testing.assert_array_equal(np.concatenate(parts)[..., 3], alpha)
    assert (np.concatenate(parts)[:6] == 0).all()


def test_a_band_called_alpha_may_be_wanted(tmp_path, monkeypatch):
    """What a file calls alpha may be near infrared: then it takes nothing out."""
    pixels = np.random.default_rng(1).integers(0, 9, (45, 52, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=(2,))
    for block in (100, 1 << 20):
        monkeypatch.setattr(source, "BLOCK", block)
        opened = open_nir(tmp_path / "a.tif", choice=Choice("4"))
        got = opened.source.rows(0, 45)
        np.testing.assert_array_equal(got, pixels[..., 3])
        assert not isinstance(got, np.ma.MaskedArray)
        assert opened.marking.kind is None


def test_copies_of_a_source_keep_their_own_rows(tmp_path, monkeypatch):
    """Readers in two threads would else decode every tile again and again."""
    monkeypatch.setattr(source, "BLOCK", 100)
    masked_tiff(tmp_path / "a.tif", scene("int16"), ~gaps(scene("int16")))
    one = open_nir(tmp_path / "a.tif").source
    other = copy.copy(one)

    def inner(thing):
        while hasattr(thing, "_source"):
            thing = thing._source
        return thing

    assert inner(one) is not inner(other)
    np.testing.assert_array_equal(np.ma.getdata(one.rows(3, 9)), np.ma.getdata(other.rows(3, 9)))
