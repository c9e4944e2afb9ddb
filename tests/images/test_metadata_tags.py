"""Metadata of one container: GDAL's, extended XMP, descriptions of programs, turned TIFFs."""

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch.keep import Keep
from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules

GRAY = np.arange(256, dtype=np.uint8).reshape(8, 32)
SCALE = (33550, 12, 3, (0.5, 0.5, 0.0), True)
TIES = (33922, 12, 6, (0.0, 0.0, 0.0, 4e5, 5e6, 0.0), True)


def color(path, out, **keep):
    rules, keep = Rules(overwrite=True), Keep(**keep)
    assert (
        colorize_files([str(path)], str(out), "grey", rules=rules, progress=False, keep=keep) == 0
    )
    return out


def tags_of(path):
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 1
        return {tag.code: tag.value for tag in file.pages.first.tags}


def gdal(*items):
    return "<GDALMetadata>\n" + "".join(f"  {item}\n" for item in items) + "</GDALMetadata>\n"


WHOLE = '<Item name="TIFFTAG_X">a &amp; b</Item>'
BANDS = (
    '<Item name="DESCRIPTION" sample="0" role="description">NIR</Item>',
    '<Item name="STATISTICS_MEAN" sample="0">7</Item>',
    '<Item name="STATISTICS_MAXIMUM">9</Item>',
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (gdal(WHOLE), gdal(WHOLE)),
        (gdal(WHOLE, *BANDS), gdal(WHOLE)),
        (gdal(*BANDS), None),
        ("<GDALMetadata><broken", None),
        ('<!DOCTYPE a [<!ENTITY b "b">]><GDALMetadata>&b;</GDALMetadata>', None),
    ],
)
def test_what_gdal_says_of_all_bands_stays(tmp_path, text, want):
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, extratags=[(42112, 2, 0, text, True)])
    out = color(tmp_path / "a.tif", tmp_path / "b.tif")
    got = tags_of(out).get(42112)
    assert (got and got.split()) == (want and want.split())
    assert (f"{text}\0".encode() in out.read_bytes()) == (want == text)


def test_extended_xmp(tmp_path, capfd):
    packet = b'<a xmlns:n="urn:n" n:HasExtendedXMP="0123456789ABCDEF0123456789ABCDEF"/>'
    more = b"http://ns.adobe.com/xmp/extension/\0" + b"0123456789ABCDEF0123456789ABCDEF"
    parts = [more + struct.pack(">II", 9, at) + part for at, part in ((0, b"<more"), (5, b" />\n"))]
    contents = [b"http://ns.adobe.com/xap/1.0/\0" + packet, *parts]
    added = b"".join(b"\xff\xe1" + struct.pack(">H", len(c) + 2) + c for c in contents)
    data = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
    (tmp_path / "a.jpg").write_bytes(data[:2] + added + data[2:])
    assert added in color(tmp_path / "a.jpg", tmp_path / "b.jpg").read_bytes()
    for after in ("png", "tif"):
        capfd.readouterr()
        out = color(tmp_path / "a.jpg", tmp_path / f"b.{after}", verbose=True)
        assert packet in out.read_bytes()
        assert "a.jpg: its colors go without: extended XMP\n" in capfd.readouterr().err


@pytest.mark.parametrize("description", ["ImageJ=1.53k\nunit=cm\n", '{"shape": [8, 32]}', None])
def test_what_a_program_says_of_its_arrays_is_left_out(tmp_path, description):
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, description=description)
    assert 270 not in tags_of(color(tmp_path / "a.tif", tmp_path / "b.tif"))


def test_a_color_map_is_left_out(tmp_path):
    image = Image.fromarray(GRAY).convert("P")  # its colors are gray
    image.save(tmp_path / "a.tif")
    assert 320 in tags_of(tmp_path / "a.tif")
    assert 320 not in tags_of(color(tmp_path / "a.tif", tmp_path / "b.tif"))


def test_a_turned_tiff_keeps_what_holds_upright(tmp_path):
    extra = [(274, 3, 1, 6, True), (271, 2, 0, "Maker", True), SCALE, TIES]
    tifffile.imwrite(
        tmp_path / "a.tif", GRAY, metadata=None, resolution=(100, 50), resolutionunit=2,
        extratags=extra,
    )  # fmt: skip
    got = tags_of(color(tmp_path / "a.tif", tmp_path / "b.tif"))
    assert (got[282], got[283]) == ((50, 1), (100, 1))
    assert got[271] == "Maker"
    assert got[274] == 1
    assert 33550 not in got


@pytest.mark.parametrize("name", ["jpg", "png"])
def test_a_place_that_only_tiff_holds_is_named_when_asked(tmp_path, capfd, name):
    extra = [SCALE, TIES, (42112, 2, 0, gdal(WHOLE), True), (50844, 12, 1, 1.5, True)]
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, extratags=extra)
    color(tmp_path / "a.tif", tmp_path / f"b.{name}")
    assert "go without" not in capfd.readouterr().err
    color(tmp_path / "a.tif", tmp_path / f"b.{name}", verbose=True)
    told = capfd.readouterr().err
    assert (
        "a.tif: its colors go without: TIFF tag 50844, place on the ground, GDAL metadata" in told
    )
    color(tmp_path / "a.tif", tmp_path / f"b.{name}", verbose=True, metadata=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("text", ["Zürich".encode(), "東京".encode("shift_jis"), b"0/0"])
def test_values_keep_their_bytes(tmp_path, text, order):
    """Text in any encoding, and a lens of unknown aperture, which is 0/0 by the standard."""
    lens = struct.pack(order + "8I", 35, 1, 70, 1, 0, 0, 0, 0)
    value = text + b"\0" * (13 - len(text))
    pack = struct.pack
    head = {"<": b"II", ">": b"MM"}[order] + pack(order + "HIH", 42, 8, 2)
    first = pack(order + "HHII", 315, 2, 13, 100) + pack(order + "HHII", 34665, 4, 1, 114)
    photo = pack(order + "HHHIII", 1, 42034, 5, 4, 132, 0)
    block = (head + first + bytes(4)).ljust(100, b"\0") + value + b"\0" + photo + lens
    data = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
    content = b"Exif\0\0" + block
    segment = b"\xff\xe1" + pack(">H", len(content) + 2) + content
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    for after in ("jpg", "png"):
        written = color(tmp_path / "a.jpg", tmp_path / f"b.{after}").read_bytes()
        assert value in written
        assert lens in written
    out = color(tmp_path / "a.jpg", tmp_path / "b.tif")
    assert value in out.read_bytes()
    with tifffile.TiffFile(out) as file:
        assert file.pages.first.tags.valueof(34665)["LensSpecification"] == (
            35,
            1,
            70,
            1,
            0,
            0,
            0,
            0,
        )
