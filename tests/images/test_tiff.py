"""TIFF files read and written in parts, against tifffile and Pillow, which take the whole."""

import io

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import tiff, tiff_source
from haqagen_jax.images.tiff_tags import carried_tags

LAYOUTS = {
    "strips": {"rowsperstrip": 7},
    "one strip": {},
    "compressed strips": {"rowsperstrip": 5, "compression": "zlib", "predictor": True},
    "one compressed strip": {"compression": "lzw"},
    "tiles": {"tile": (16, 32)},
    "compressed tiles": {"tile": (16, 16), "compression": "deflate", "predictor": True},
    "zstandard": {"tile": (32, 16), "compression": "zstd"},
    "big endian": {"rowsperstrip": 4, "byteorder": ">"},
    "big endian tiles": {"tile": (16, 16), "byteorder": ">", "compression": "lzw"},
    "BigTIFF": {"tile": (16, 16), "bigtiff": True},
}


def random_image(dtype, shape=(53, 41)):
    values = np.random.default_rng(0).random(shape)
    return (values * (1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max)).astype(dtype)


def source(path):
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert tiff_source.windowed(page)
        return tiff_source.TiffSource(path, page)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_rows_are_read_in_any_order(tmp_path, dtype, layout):
    image, path = random_image(dtype), tmp_path / "a.tif"
    tifffile.imwrite(path, image, **LAYOUTS[layout])
    opened = source(path)
    assert (opened.height, opened.width, opened.dtype) == (53, 41, np.dtype(dtype))
    rng = np.random.default_rng(1)
    asked = [(0, 53), (0, 1), (52, 53), *(sorted(rng.choice(54, 2, False)) for _ in range(20))]
    asked += [(start, min(start + 6, 53)) for start in range(0, 53, 6)]
    for start, stop in asked:
        got = opened.rows(int(start), int(stop))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, image[start:stop])


def test_white_as_zero_is_inverted(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", random_image("uint16"), photometric="miniswhite", tile=(16, 16)
    )
    got = source(tmp_path / "a.tif").rows(3, 40)
    np.testing.assert_array_equal(got, 65_535 - random_image("uint16")[3:40])


def test_a_missing_tile_holds_no_data(tmp_path):
    image = random_image("uint8", (32, 32))
    image[16:, :16] = 0
    tiles = [image[:16, :16], image[:16, 16:], None, image[16:, 16:]]
    tifffile.imwrite(tmp_path / "a.tif", iter(tiles), shape=(32, 32), dtype="uint8", tile=(16, 16))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.databytecounts[2] == 0
    got = source(tmp_path / "a.tif").rows(0, 32)
    missing = np.zeros((32, 32), bool)
    missing[16:, :16] = True
    np.testing.assert_array_equal(np.ma.getmaskarray(got), missing)
    np.testing.assert_array_equal(got.data, image)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (random_image("uint8", (9, 9, 3)), {"photometric": "ycbcr", "compression": "jpeg"}),
        (random_image("uint8"), {"extratags": [(274, 3, 1, 6, True)]}),
        (random_image("uint8"), {"photometric": "palette", "colormap": np.zeros((3, 256), "u2")}),
    ],
)
def test_other_layouts_are_not_read_in_parts(tmp_path, image, options):
    try:
        tifffile.imwrite(tmp_path / "a.tif", image, **options)
    except (ValueError, NotImplementedError):
        pytest.skip("tifffile cannot write it")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert not tiff_source.windowed(file.pages.first)


def test_a_large_compressed_strip_is_not_read_in_parts(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", random_image("uint8"), compression="zlib")
    tifffile.imwrite(tmp_path / "b.tif", random_image("uint8"))  # not compressed: parts can be read
    monkeypatch.setattr(tiff_source, "_LARGEST", 53 * 41 - 1)
    for name, expected in (("a.tif", False), ("b.tif", True)):
        with tifffile.TiffFile(tmp_path / name) as file:
            assert tiff_source.windowed(file.pages.first) is expected


def test_damage_is_reported_by_the_rows_that_it_affects(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random_image("uint16"), tile=(16, 16), compression="zlib")
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        start, length = file.pages.first.dataoffsets[-1], file.pages.first.databytecounts[-1]
    path.write_bytes(whole[:start] + b"x" * length + whole[start + length :])
    opened = source(path)
    opened.rows(0, 16)
    with pytest.raises(InputError, match=r"^truncated or damaged \(.*\); copy or export it again$"):
        opened.rows(40, 53)
    path.unlink()
    with pytest.raises(InputError, match=r"^cannot be read \(No such file or directory\); "):
        opened.rows(0, 1)


def test_a_truncated_file_is_refused_on_opening(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, random_image("uint16"), rowsperstrip=8)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"^truncated"):
        source(path)


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    step=st.integers(1, 80),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
)
def test_written_rows_are_read_by_tifffile_and_pillow(height, width, step, dtype):
    image, file = random_image(dtype, (height, width, 3)), io.BytesIO()
    bands = (image[i : i + step] for i in range(0, height, step))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff, "_TILE", 32)
        tiff.write_rows(file, (height, width), np.dtype(dtype), bands, {})
    file.seek(0)
    with tifffile.TiffFile(file) as read:
        page = read.pages.first
        assert page.is_tiled
        assert tifffile.COMPRESSION(page.compression).name == "ADOBE_DEFLATE"
        assert not read.is_bigtiff
        np.testing.assert_array_equal(page.asarray(), image)
    if dtype == "uint8":
        np.testing.assert_array_equal(np.asarray(Image.open(file)), image)


def test_large_images_are_written_as_bigtiff(monkeypatch):
    monkeypatch.setattr(tiff, "CLASSIC", 1000)
    for shape, big in (((10, 30, 3), False), ((10, 34, 3), True)):
        file = io.BytesIO()
        tiff.write_rows(file, shape[:2], np.dtype("uint8"), [random_image("uint8", shape)], {})
        file.seek(0)
        assert tifffile.TiffFile(file).is_bigtiff is big


GEOGRAPHIC = [
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True),
    (34735, 3, 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    (34737, 2, 0, "WGS 84 / UTM 33N|", True),
    (42112, 2, 0, "<GDALMetadata></GDALMetadata>", True),  # of the band: not a georeference
]


@pytest.mark.parametrize("rotated", [False, True])
def test_the_georeference_is_carried_over_unless_the_image_is_rotated(tmp_path, rotated):
    extra = [*GEOGRAPHIC, *([(274, 3, 1, 6, True)] if rotated else [])]
    path, file = tmp_path / "a.tif", io.BytesIO()
    tifffile.imwrite(
        path, random_image("uint16"), extratags=extra, resolution=(118.11, 118.11), resolutionunit=3
    )
    with tifffile.TiffFile(path) as read:
        tags, dropped = carried_tags(read.pages.first)
    assert dropped == ()
    tiff.write_rows(file, (53, 41), np.dtype("uint8"), [random_image("uint8", (53, 41, 3))], tags)
    file.seek(0)
    with tifffile.TiffFile(file) as read:
        found = read.pages.first.tags
        for code, _, _, value, _ in GEOGRAPHIC[:4]:
            assert found.valueof(code) == (None if rotated else value)
        assert found.valueof(42112) is None
        if not rotated:
            numerator, denominator = found.valueof(282)
            assert numerator / denominator == pytest.approx(118.11, rel=1e-6)
            assert found.valueof(296) == 3
            metadata = read.geotiff_metadata
            assert metadata is not None
            assert metadata["ProjectedCSTypeGeoKey"] == 32633
