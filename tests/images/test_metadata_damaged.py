"""Damaged or meaningless metadata costs the tag, never the image and never the run."""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch.keep import Keep
from haqagen_jax.batch.run import colorize_files
from haqagen_jax.images import files as image_files
from haqagen_jax.images.header import open_image
from haqagen_jax.images.metadata import is_xmp, stated

GRAY = np.arange(256, dtype=np.uint8).reshape(8, 32)
COLORS = np.repeat(GRAY[..., None], 3, -1)
SOUND = b"Maker\0"
HUGE = 0xFFFFFFF0


def entry(code, dtype, count, value):
    value = struct.pack("<I", value) if isinstance(value, int) else value.ljust(4, b"\0")
    return struct.pack("<HHI", code, dtype, count) + value


MAKE, MAKE_AT = entry(271, 2, len(SOUND), 0x40), 0x40


def block(*entries, make=True, following=0, at=8, tail=b""):
    """An EXIF block; a sound tag of its maker is in it beside the damaged ones."""
    rows = sorted([*entries, *([MAKE] if make else [])], key=lambda row: row[:2][::-1])  # pyright: ignore[reportIndexIssue]
    table = struct.pack("<H", len(rows)) + b"".join(rows) + struct.pack("<I", following)  # pyright: ignore[reportArgumentType]
    start = b"II*\0" + struct.pack("<I", at) + table
    return start.ljust(MAKE_AT, b"\0") + SOUND + tail


PHOTO_AT = MAKE_AT + len(SOUND)
DIRECTORY = struct.pack("<H", 1) + entry(36867, 2, 4, b"now\0") + bytes(4)
# Name: the block, and whether its maker is to be found in the colors.
BROKEN = {
    "empty": (b"", False),
    "no header": (b"garbage" * 9, False),
    "header alone": (b"II*\0", False),
    "directory beyond the end": (block(at=HUGE), False),
    "directory in the header": (b"II*\0\0\0\0\0" + bytes(60), False),
    "cut in the directory": (block()[:15], False),
    "cut in a value": (block()[: MAKE_AT + 2], False),
    "wild offset": (block(entry(272, 2, 99, HUGE)), True),
    "huge count": (block(entry(272, 2, HUGE, 0)), True),
    "count that overflows": (block(entry(272, 12, 0x20000001, 8)), True),
    "no such type": (block(entry(272, 77, 1, 0)), True),
    "another type": (block(entry(272, 12, 1, 8)), True),
    "count of zero": (block(entry(272, 2, 0, 8)), True),
    "orientation of text": (block(entry(274, 2, 2, b"6\0")), True),
    "orientation of 99": (block(entry(274, 3, 1, 99)), True),
    "photo points at itself": (block(entry(34665, 4, 1, 8)), True),
    "photo points beyond": (block(entry(34665, 4, 1, HUGE)), True),
    "photo is a text": (block(entry(34665, 2, 4, b"abc\0")), True),
    "places loop": (block(entry(34665, 4, 1, 8), entry(34853, 4, 1, 8)), True),
    "next directory loops": (block(following=8), True),
    "thumbnail is wild": (block(following=HUGE), True),
    "resolution of 0/0": (block(entry(282, 5, 1, 0x30), entry(283, 5, 1, 0x30)), True),
    "twice": (block(MAKE), True),
    "65535 entries": (b"II*\0\x08\0\0\0\xff\xff" + MAKE + bytes(42) + SOUND, True),
    "of a BigTIFF": (b"II+\0\x08\0\0\0" + bytes(60), False),
}


def save(path, exif):
    """A gray image with a block as it is."""
    if path.suffix == ".png":
        data = bytes(imagecodecs.png_encode(GRAY))
        chunk = b"eXIf" + exif

        crc = struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:33] + struct.pack(">I", len(exif)) + chunk + crc + data[33:])
    else:
        data = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
        content = b"Exif\0\0" + exif
        segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
        path.write_bytes(data[:2] + segment + data[2:])
    return path


def carry(path, out):
    """From header to writer, without coloring."""
    with open_image(path) as (header, _):
        pass
    metadata = stated(header.metadata, "test")
    image_files.write_rows(out, GRAY.shape, GRAY.dtype, [COLORS], metadata=metadata)
    return image_files.left_out(out, header.metadata)


@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
@pytest.mark.parametrize("before", ["jpg", "png"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_exif_costs_the_tag(tmp_path, name, before, after):
    exif, found = BROKEN[name]
    out = tmp_path / f"out.{after}"
    carry(save(tmp_path / f"in.{before}", exif), out)
    with Image.open(out) as image:
        image.load()
        assert image.size == (32, 8)
        tags = image.getexif()
        assert tags.get(271) == ("Maker" if found else None)
        assert tags[305] == "test"
        assert tags.get(274, 1) == 1
        assert 34853 not in tags or len(tags.get_ifd(34853)) < 5


@pytest.mark.parametrize("name", ["jpg", "png"])
@pytest.mark.parametrize(
    ("exif", "turned"),
    [
        (block(entry(274, 3, 1, 6)), True),
        (b"Exif\0\0" + block(entry(274, 3, 1, 6)), True),
        (block(entry(274, 3, 1, 6), entry(34665, 4, 1, 8), following=8), True),
        (block(entry(274, 3, 1, 6), entry(272, 2, HUGE, HUGE)), True),
        (block(entry(274, 5, 1, 0x40)), False),
        (block(entry(274, 3, 1, 9)), False),
    ],
)
def test_what_turns_the_pixels_is_what_is_reset(tmp_path, name, exif, turned):
    path, out = save(tmp_path / f"a.{name}", exif), tmp_path / f"b.{name}"
    assert image_files.read_size(path) == ((32, 8) if turned else (8, 32))
    carry(path, out)
    with Image.open(out) as image:
        assert image.getexif().get(274, 1) == 1
    if turned:
        assert image_files.read_nir(path).shape == (32, 8)


def test_a_folder_of_broken_exif_is_colored(tmp_path, capfd):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, (exif, _) in enumerate(BROKEN.values()):
        save(folder / f"{number:02}_nir.{'jpg' if number % 2 else 'png'}", exif)
    out = str(tmp_path / "out")
    keep = Keep(verbose=True)
    assert colorize_files([str(folder)], out, "grey", progress=False, keep=keep) == 0
    told = capfd.readouterr()
    assert told.out.startswith(f"{len(BROKEN)} colored, 0 failed")
    assert "00_nir.png: its colors go without: EXIF\n" in told.err
    assert "07_nir.jpg: its colors go without: EXIF tag 272\n" in told.err
    assert "please report" not in told.err


def test_any_byte_may_be_wrong(tmp_path):
    """Bytes changed at random: of the block, and of the directories of a TIFF."""
    random = np.random.default_rng(0)
    photo = block(entry(34665, 4, 1, PHOTO_AT), entry(34853, 4, 1, PHOTO_AT), tail=DIRECTORY)
    tifffile.imwrite(
        tmp_path / "a.tif",
        GRAY,
        metadata=None,
        resolution=(72, 72),
        extratags=[(271, 2, 0, "Maker", True), (700, 1, 4, b"<a/>", True)],
    )
    whole = (tmp_path / "a.tif").read_bytes()
    pixels = whole.rindex(GRAY.tobytes())
    colored = 0
    for number in range(300):
        changed = bytearray(photo if number % 2 else whole)
        for _ in range(random.integers(1, 6)):
            changed[random.integers(8, len(changed) if number % 2 else pixels)] = random.integers(
                256
            )
        path = tmp_path / ("x.jpg" if number % 2 else "x.tif")
        if number % 2:
            save(path, bytes(changed))
        else:
            path.write_bytes(changed)
        try:
            with open_image(path):
                pass
        except image_files.InputError:
            continue  # the directory of a TIFF says where its pixels are
        for after in ("jpg", "png", "tif"):
            carry(path, tmp_path / f"out.{after}")
            assert image_files.read_rgb(tmp_path / f"out.{after}").shape == (8, 32, 3)
        colored += 1
    assert colored > 200


def test_a_directory_that_names_one_value_many_times_takes_no_memory(tmp_path):
    large = b"x" * 60000
    rows = [entry(code, 7, len(large), 0x8000) for code in range(40000, 42000)]
    photo = struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4)
    exif = (block(entry(34665, 4, 1, PHOTO_AT)) + photo).ljust(0x8000, b"\0") + large
    left = carry(save(tmp_path / "a.png", exif), tmp_path / "b.png")
    assert "EXIF tag 41000" in left
    assert (tmp_path / "b.png").stat().st_size < 20e6


def test_what_is_too_large_for_a_jpeg_gives_way(tmp_path):
    photo = struct.pack("<H", 2) + entry(36867, 2, 4, b"now\0") + entry(37500, 7, 70000, 0x200)
    exif = (block(entry(34665, 4, 1, PHOTO_AT)) + photo).ljust(0x200, b"\0") + bytes(70000)
    left = carry(save(tmp_path / "a.png", exif), tmp_path / "b.jpg")
    assert left == ("EXIF tag 37500 (too large)",)
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[271] == "Maker"
        assert dict(image.getexif().get_ifd(34665)) == {36867: "now"}
    carry(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif().get_ifd(34665)[37500] == bytes(70000)


@pytest.mark.parametrize(
    ("packet", "sound"),
    [
        (b"<a/>", True),
        (b"<a/>\n\0\0", True),
        ('<?xpacket begin=""?><a b="ü"/>'.encode(), True),
        (b"", False),
        (b"<a>", False),
        (b"<a/>garbage", False),
        (b"\xff\xfe\x00", False),
        (b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>', False),
    ],
)
def test_what_is_an_xmp_packet(packet, sound):
    assert is_xmp(packet) is sound


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_a_broken_packet_is_left_out(tmp_path, name):
    path = tmp_path / name
    packet = b"<x:xmpmeta><broken"
    if name == "a.png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        Image.fromarray(GRAY).save(path, pnginfo=info)
    else:
        Image.fromarray(GRAY).save(path, **({"xmp": packet} if name == "a.jpg" else {}))  # pyright: ignore[reportArgumentType]
    if name == "a.tif":
        tifffile.imwrite(path, GRAY, metadata=None, extratags=[(700, 1, 0, packet, True)])
    assert "XMP" in carry(path, tmp_path / f"out{path.suffix}")
    assert packet not in (tmp_path / f"out{path.suffix}").read_bytes()


@pytest.mark.parametrize(
    ("jfif", "want"),
    [
        ((1, 300, 300), (300, 300)),
        ((2, 100, 100), (254, 254)),
        ((1, 0, 0), None),
        ((1, 65535, 1), (65535, 1)),
        ((7, 300, 300), None),
        ((0, 1, 1), None),
        ((0, 2, 1), "ratio"),
    ],
)
@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
def test_resolutions_of_a_jpeg(tmp_path, jfif, want, after):
    data = bytes(imagecodecs.jpeg8_encode(GRAY, level=95))
    assert data[6:11] == b"JFIF\0"
    (tmp_path / "a.jpg").write_bytes(data[:13] + struct.pack(">BHH", *jfif) + data[18:])
    out = tmp_path / f"b.{after}"
    carry(tmp_path / "a.jpg", out)
    got = resolution(out)
    if want == "ratio":
        assert got[0] == pytest.approx(2 * got[1])  # pyright: ignore[reportOptionalSubscript]
    else:
        assert got == (None if want is None else pytest.approx(want, rel=0.01))
    if want is None and after == "tif":
        with tifffile.TiffFile(out) as file:
            assert file.pages.first.tags.valueof(282) == (1, 1)  # by default


def resolution(path: Path):
    """Pixels per inch by Pillow; as it stands without a unit."""
    with Image.open(path) as image:
        info = image.info
        if "aspect" in info:
            return info["aspect"]
        if path.suffix == ".jpg" and info["jfif_unit"] == 0:
            ratio = info["jfif_density"]
            return None if ratio == (1, 1) else ratio
        dpi = info.get("dpi", (1, 1))
        if path.suffix == ".tif" and image.tag_v2.get(296) == 1:  # pyright: ignore[reportAttributeAccessIssue]
            dpi = image.tag_v2[282], image.tag_v2[283]  # pyright: ignore[reportAttributeAccessIssue]
        return None if tuple(dpi) == (1, 1) else tuple(dpi)


@pytest.mark.parametrize("value", [(0, 0), (1, 0), (0, 1), (4294967295, 1)])
@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
def test_odd_resolutions_of_a_tiff(tmp_path, value, after):
    tifffile.imwrite(tmp_path / "a.tif", GRAY, metadata=None, resolution=(72, 72), resolutionunit=2)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:  # pyright: ignore[reportArgumentType]
        for code in (282, 283):
            file.pages.first.tags[code].overwrite(value)
    out = tmp_path / f"b.{after}"
    carry(tmp_path / "a.tif", out)
    huge = after == "tif" and value[0] > 1
    with Image.open(out) as image:
        image.load()
    assert resolution(out) == ((4294967295, 4294967295) if huge else None)
