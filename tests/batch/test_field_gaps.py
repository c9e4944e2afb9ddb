"""Files with pixels that hold no data, as owners of aerial images have them, from file to file."""

from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.images import source
from haqagen_jax.images.files import read_rgb

HEIGHT, WIDTH = 60, 76
INNER = np.s_[10:-10, 12:-12]
PLACE = [
    (33550, 12, 3, (0.1, 0.1, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 32633), True),
]


def scene():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return 0.5 + 0.35 * np.sin(x / 9) * np.cos(y / 7) + 0.1 * rng.random((HEIGHT, WIDTH))


VALID = np.zeros((HEIGHT, WIDTH), bool)
VALID[INNER] = True


def gdal(text) -> dict[str, Any]:
    return {"extratags": [*PLACE, (42113, 2, 0, text, True)], "metadata": None}


def bordered(image, fill):
    return np.where(VALID, image, np.array(fill, image.dtype))


@pytest.fixture(scope="module")
def colored(tmp_path_factory):
    """Colors all files at once, whole and by parts: {by parts: folder of colors}."""
    folder = tmp_path_factory.mktemp("field")
    nir = folder / "in"
    nir.mkdir()
    radiance = (200 + 1800 * scene()).astype("f4")
    counts = (scene() * 60_000 + 2000).astype("u2")
    levels = (scene() * 250).astype("u1")
    reflectance = (scene() * 9000 + 100).astype("i2")
    for name, image in (
        ("float", radiance),
        ("uint16", counts),
        ("uint8", levels),
        ("int16", reflectance),
    ):
        tifffile.imwrite(nir / f"{name}-alone_nir.tif", image[INNER], metadata=None)
    for name, fill, text in (("m9999", -9999, "-9999"), ("nan", np.nan, "nan"), ("zero", 0, "0")):
        options = gdal(text) | {"tile": (32, 32), "compression": "zlib"}
        tifffile.imwrite(nir / f"float-{name}_nir.tif", bordered(radiance, fill), **options)
    tifffile.imwrite(nir / "float-untagged_nir.tif", bordered(radiance, np.nan), metadata=None)
    tifffile.imwrite(nir / "int16-low_nir.tif", bordered(reflectance, -32768), **gdal("-32768"))
    opaque = np.where(VALID, 65535, 0).astype("u2")
    options: Any = {"photometric": "minisblack", "extrasamples": (2,), "planarconfig": "contig"}
    ortho = np.dstack([bordered(counts, 0), opaque])
    tifffile.imwrite(nir / "uint16-ortho_nir.tif", ortho, metadata=None, **options)
    cutout = np.dstack([levels, np.where(VALID, 255, 0).astype("u1")])
    Image.fromarray(cutout, "LA").save(nir / "uint8-cutout_nir.png")
    rgba = np.dstack([levels] * 3 + [np.where(VALID, 200, 0).astype("u1")])
    Image.fromarray(rgba, "RGBA").save(nir / "uint8-soft_nir.png")
    deep = np.dstack([counts, opaque])
    (nir / "uint16-deep_nir.png").write_bytes(imagecodecs.png_encode(deep))
    cog: Any = {"metadata": None, "tile": (32, 32), "compression": "zlib"}
    with tifffile.TiffWriter(nir / "uint8-cog_nir.tif") as file:
        file.write(bordered(levels, 0), photometric="minisblack", **cog)
        file.write(VALID, subfiletype=4, **cog)
        file.write(levels[::2, ::2], subfiletype=1, **cog)
        file.write(VALID[::2, ::2], subfiletype=5, **cog)
    constant = np.where(VALID, 51, 0).astype("u1")
    tifffile.imwrite(nir / "constant_nir.tif", constant, **gdal("0"))
    one = np.zeros((HEIGHT, WIDTH), "u1")
    one[7, 9] = 51
    tifffile.imwrite(nir / "one_nir.tif", one, **gdal("0"))
    tifffile.imwrite(nir / "nothing_nir.tif", np.zeros((HEIGHT, WIDTH), "u1"), **gdal("0"))
    folders = {}
    for by_parts in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "BLOCK", 200 if by_parts else 1 << 20)
            folders[by_parts] = folder / f"out-{by_parts}"
            report = folder / f"{by_parts}.json"
            status = colorize_files(
                [str(nir)], str(folders[by_parts]), "grey", report=str(report), progress=False
            )
            assert status == 1
            assert report.read_text().count("no pixels with data") == 1
            assert report.read_text().count('"status": "failed"') == 1
    return folders


@pytest.mark.parametrize("by_parts", [False, True], ids=["whole", "by parts"])
@pytest.mark.parametrize(
    "name",
    [
        "float-m9999.tif",
        "float-nan.tif",
        "float-zero.tif",
        "float-untagged.tif",
        "int16-low.tif",
        "uint16-ortho.tif",
        "uint16-deep.png",
        "uint8-cutout.png",
        "uint8-soft.png",
        "uint8-cog.tif",
    ],
)
def test_what_is_valid_is_colored_as_if_it_were_alone(colored, name, by_parts):
    stem, suffix = name.split(".")
    got = read_rgb(colored[by_parts] / f"{stem}_rgb.{suffix}")
    alone = read_rgb(colored[by_parts] / f"{stem.split('-')[0]}-alone_rgb.tif")
    np.testing.assert_array_equal(np.ma.getmaskarray(got)[..., 0], ~VALID)
    got = np.ma.getdata(got)[INNER]
    # A color that happens to have the nodata value is moved to the level beside it.
    np.testing.assert_allclose(got, alone, atol=1.01 / 65_535 if "int16" in name else 1e-6)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("float-m9999", "-9999", -9999),
        ("float-nan", "nan", np.nan),
        ("float-zero", "0", 0),
        ("float-untagged", None, np.nan),
        ("int16-low", "0", 0),
        ("constant", "0", 0),
    ],
)
def test_gaps_are_marked_as_the_input_marks_them(colored, name, text, value):
    for folder in colored.values():
        with tifffile.TiffFile(folder / f"{name}_rgb.tif") as file:
            page = file.pages.first
            np.testing.assert_array_equal(page.asarray()[~VALID], value)
            assert page.tags.valueof(42113) == text
            if text is not None:
                assert page.tags.valueof(33922) == PLACE[1][3]
                assert (page.asarray()[VALID] != value).all()


def test_a_mask_stays_and_others_see_it(colored):
    for folder in colored.values():
        path = folder / "uint8-cog_rgb.tif"
        with tifffile.TiffFile(path) as file:
            pages: Any = file.pages
            image, mask = pages
            assert image.tags.valueof(305).startswith("HAQAGen")  # written once more, with it
            assert mask.is_mask
            assert (mask.photometric, mask.bitspersample) == (4, 1)
            np.testing.assert_array_equal(mask.asarray(), VALID)
        # Another library: libtiff, which reads the second directory by its number.
        seen = imagecodecs.tiff_decode(path.read_bytes(), index=1)
        np.testing.assert_array_equal(np.squeeze(seen) != 0, VALID)


def test_alpha_stays(colored):
    for folder in colored.values():
        with Image.open(folder / "uint8-soft_rgb.png") as image:
            assert image.mode == "RGBA"
            np.testing.assert_array_equal(np.asarray(image)[..., 3], VALID * 200)
        deep = imagecodecs.png_decode((folder / "uint16-deep_rgb.png").read_bytes())
        assert deep.dtype == np.uint16
        np.testing.assert_array_equal(deep[..., 3], VALID * 65535)
        with tifffile.TiffFile(folder / "uint16-ortho_rgb.tif") as file:
            assert tuple(file.pages.first.extrasamples) == (2,)
            np.testing.assert_array_equal(file.asarray()[..., 3], VALID * 65535)


def test_few_or_equal_valid_pixels(colored):
    for folder in colored.values():
        constant = tifffile.imread(folder / "constant_rgb.tif")
        assert (constant[VALID] == 51).all()
        one = tifffile.imread(folder / "one_rgb.tif")
        assert np.argwhere(one.any(-1)).tolist() == [[7, 9]]


def test_a_jpeg_is_refused_as_it_can_mark_nothing(tmp_path, capsys):
    image = bordered((scene() * 250).astype("u1"), 0)
    tifffile.imwrite(tmp_path / "a.tif", image, **gdal("0"))
    target = tmp_path / "out.jpg"
    assert colorize_files([str(tmp_path / "a.tif")], str(target), "grey", progress=False) == 1
    assert "which this file type cannot mark; name the output .tif or .png" in (
        capsys.readouterr().err
    )
    assert not target.exists()
