"""Bands: by number, by the names that files give them, planar and chunky; and what is gray."""

from typing import Any

import numpy as np
import pytest
import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images import source
from haqagen_jax.images.bands import Choice, chosen_band, mapir_names, require_gray, to_gray
from haqagen_jax.images.source import open_nir

BANDS = np.random.default_rng(0).integers(0, 200, (30, 40, 5), np.uint8)


def gdal(**names):
    """GDAL's metadata; DESCRIPTION3 is of the fourth band."""
    items = "".join(
        f'<Item name="{kind[:-1]}" sample="{kind[-1]}">{name}</Item>'
        for kind, name in names.items()
    )
    return f"<GDALMetadata>{items}</GDALMetadata>"


@pytest.mark.parametrize("by_parts", [False, True], ids=["whole", "by parts"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("text", "band", "index"),
    [
        ("", "4", 3),
        (gdal(DESCRIPTION1="NIR"), "nir", 1),
        (gdal(DESCRIPTION4="Near-Infrared", DESCRIPTION1="SWIR"), "NIR", 4),
        (gdal(DESCRIPTION0="nir", DESCRIPTION2="nir2"), "nir", 0),
        (gdal(COLORINTERP3="nir", DESCRIPTION3="B8", DESCRIPTION2="near infrared (nir)"), "nir", 2),
        (gdal(COLORINTERP3="Nir", COLORINTERP4="Undefined"), "nir", 3),
        (gdal(DESCRIPTION9="nir", DESCRIPTION1="red"), "red", 1),
    ],
)
def test_bands_by_name(tmp_path, monkeypatch, by_parts, planar, text, band, index):
    monkeypatch.setattr(source, "BLOCK", 100 if by_parts else 1 << 20)
    pixels = np.moveaxis(BANDS, -1, 0) if planar else BANDS
    options: Any = {"planarconfig": "separate" if planar else "contig", "photometric": "minisblack"}
    tags = [(42112, 2, 0, text, True)] if text else []
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, extratags=tags, **options)
    got = open_nir(tmp_path / "a.tif", choice=Choice(band)).source.rows(0, 30)
    np.testing.assert_array_equal(got, BANDS[..., index])
    with pytest.raises(InputError, match="5 bands"):
        open_nir(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "text", ["<GDALMetadata>", "²", gdal(DESCRIPTIONx="nir"), "<a><Item sample='²' name='x'/></a>"]
)
def test_metadata_that_cannot_be_read_names_nothing(tmp_path, text):
    tags = [(42112, 7, len(text.encode()), text.encode(), True)]
    options: Any = {"photometric": "minisblack", "planarconfig": "contig", "extratags": tags}
    tifffile.imwrite(tmp_path / "a.tif", BANDS, metadata=None, **options)
    with pytest.raises(InputError, match=r"no band called 'nir'; its bands are 1, 2, 3, 4, 5"):
        open_nir(tmp_path / "a.tif", choice=Choice("nir"))


@pytest.mark.parametrize(
    ("names", "band", "index"),
    [
        (("red", "green", "blue", ""), "nir", 3),
        (("red", "green", "blue", "alpha"), "nir", None),
        (("red", "green", "blue", ""), "5", None),
        (("gray",), "nir", 0),
        (("red",), "nir", None),
        (("swir", "lwir", "red edge"), "nir", None),
        (("nir1", "nir2"), "nir", None),
        (("nir", "red"), "²", None),
    ],
)
def test_which_band_is_meant(names, band, index):
    if index is not None:
        assert chosen_band(names, band) == index
        return
    with pytest.raises(InputError, match="has"):
        chosen_band(names, band)


@pytest.mark.parametrize(
    "packet",
    [
        "<Camera:BandName>{}</Camera:BandName>",
        "<Camera:BandName><rdf:Seq><rdf:li>{}</rdf:li></rdf:Seq></Camera:BandName>",
        '<rdf:Description Camera:BandName="{}"/>',
    ],
)
def test_the_band_of_a_cameras_own_file(tmp_path, packet):
    for name in ("NIR", "Red", "Red edge"):
        text = packet.format(name).encode()
        tags = [(700, 1, len(text), text, True)]
        tifffile.imwrite(tmp_path / "a.tif", BANDS[..., 0], metadata=None, extratags=tags)
        open_nir(tmp_path / "a.tif")  # the only band there is
        if name == "NIR":
            open_nir(tmp_path / "a.tif", choice=Choice("nir"))
            continue
        with pytest.raises(
            InputError, match=f"no band called 'nir'; its bands are 1 {name.lower()}"
        ):
            open_nir(tmp_path / "a.tif", choice=Choice("nir"))


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("Survey3W_RGN", ("red", "green", "nir")),
        ("Survey3N_NGB", ("nir", "green", "blue")),
        ("survey3w_ocn", ("orange", "cyan", "nir")),
        ("Survey3W_RGB", ("red", "green", "blue")),
        ("Canon EOS", ("red", "green", "blue")),
    ],
)
def test_mapir_filters(model, names):
    assert mapir_names(model, ("red", "green", "blue")) == names


def gray(dtype, seed=0):
    rng = np.random.default_rng(seed)
    full = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    one = rng.random((60, 80)) * full * 0.9
    return np.stack([one] * 3, -1), full


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_counts_as_gray(dtype):
    frame, full = gray(dtype)
    stamp = frame.copy()
    stamp[:10, :20] = np.array([1, 0.8, 0]) * full
    cast = frame * [0.99, 1, 1.01]
    one = frame.copy()
    one[5, 6] = np.array([0.8, 0.1, 0.1]) * full
    for taken in (frame, stamp, cast, one):
        require_gray(taken.astype(dtype))
    tinted = frame * [1, 0.62, 0.8]
    stuck = tinted * 0.01
    stuck[3, 3] = full  # its own brightness makes no other pixel gray
    refused = [tinted] if dtype == "uint8" else [tinted, stuck]
    for image in refused:
        with pytest.raises(InputError, match="--gray luma, or --band N"):
            require_gray(image.astype(dtype))
    tinted = tinted.astype(dtype)
    np.testing.assert_array_equal(to_gray(tinted, "red"), tinted[..., 0])
    np.testing.assert_array_equal(to_gray(tinted, "max"), tinted.max(-1))
    luma = to_gray(tinted, "luma")
    assert luma.dtype == dtype
    want = tinted.astype(float) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(luma.astype(float), want, atol=0.51 if full > 1 else 1e-6)
