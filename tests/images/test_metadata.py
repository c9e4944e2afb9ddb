"""Metadata from file to file, compared by readers that are not ours: Pillow and tifffile."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from haqagen_jax.batch.keep import Keep
from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules
from haqagen_jax.version import __version__

GRAY = np.add.outer(np.arange(24), np.arange(40)).astype(np.uint8) * 4
STATEMENT = f"HAQAGen-JAX {__version__} (colors estimated from near infrared by the model grey)"
PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:c="urn:c" c:Yaw="-1.5">Z\xc3\xbcrich</rdf:Description>'
    b"</rdf:RDF></x:xmpmeta>" + b" " * 300 + b'<?xpacket end="w"?>'
)
FIRST = {270: "meadow", 271: "Maker", 272: "NIR-1", 306: "2020:01:02 03:04:05", 315: "Artist"}
PHOTO = {
    33434: 0.002,
    36867: "2020:01:02 03:04:05",
    37510: b"ASCII\0\0\0by hand",
    42036: "Lens 35 mm F2.8",
    42034: (35.0, 35.0, 2.8, 2.8),
}
GPS = {0: b"\2\3\0\0", 1: "N", 2: (10.0, 20.0, 30.5), 3: "E", 4: (11.0, 21.0, 31.0), 6: 120.25}
MAKER = b"MakerNote\0" + bytes(range(200))


def exif(orientation=None, *, maker=True):
    made = Image.Exif()
    for code, value in FIRST.items():
        made[code] = value
    made[305] = "camera firmware 1.0"
    if orientation:
        made[274] = orientation
    made.get_ifd(0x8769).update(PHOTO)
    if maker:
        made.get_ifd(0x8769)[37500] = MAKER
    made.get_ifd(0x8825).update(GPS)
    return made.tobytes()


def with_thumbnail(block):
    """A second directory behind the first one, with a JPEG that shows the NIR image."""
    file = io.BytesIO()
    Image.fromarray(GRAY).save(file, "JPEG")
    shown = file.getvalue()
    block = block.removeprefix(b"Exif\0\0")
    first = struct.unpack_from(">I", block, 4)[0]
    end = first + 2 + 12 * struct.unpack_from(">H", block, first)[0]
    at = len(block)
    second = struct.pack(">HHHIIHHIII", 2, 513, 4, 1, at + 30, 514, 4, 1, len(shown), 0)
    block = block[:end] + struct.pack(">I", at) + block[end + 4 :] + second + shown
    return b"Exif\0\0" + block, shown


def color(path, out, **keep):
    keep = Keep(**keep)
    rules = Rules(overwrite=True)
    assert (
        colorize_files([str(path)], str(out), "grey", rules=rules, progress=False, keep=keep) == 0
    )
    return out


def plain(value):
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return float(value) if isinstance(value, TiffImagePlugin.IFDRational | float) else value


def directories(path):
    """What Pillow reads of the first directory, the photo's and GPS."""
    with Image.open(path) as image:
        found = image.getexif()
        first = {code: plain(value) for code, value in found.items()}
        below = [dict(found.get_ifd(code)) for code in (0x8769, 0x8825)]
    photo, gps = ({code: plain(value) for code, value in ifd.items()} for ifd in below)
    return first, photo, gps


def assert_kept(path, *, maker=True):
    first, photo, gps = directories(path)
    assert {code: first.get(code) for code in FIRST} == FIRST
    assert first[305] == STATEMENT
    assert first.get(274, 1) == 1
    for want, got in ((PHOTO, photo), (GPS, gps)):
        assert got.keys() - {37500} == want.keys()
        for code, value in want.items():
            assert got[code] == (
                pytest.approx(value) if isinstance(value, float | tuple) else value
            )
    assert photo.get(37500) == (MAKER if maker else None)


def xmp_of(path):
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            return bytes(file.pages.first.tags.valueof(700))
    with Image.open(path) as image:
        return image.info["xmp"]


def save(path, *, orientation=None, dtype="uint8", dpi=(300, 300), xmp=PACKET):
    """An input as other programs write it."""
    image = Image.fromarray(GRAY if dtype == "uint8" else GRAY.astype(np.uint16) * 257)
    if path.suffix != ".png":
        image.save(path, exif=exif(orientation), dpi=dpi, **({"xmp": xmp} if xmp else {}))  # pyright: ignore[reportArgumentType]
        return path
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "me")
    info.add_text("Software", "camera")
    if xmp:
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
    image.save(path, exif=exif(orientation), dpi=dpi, pnginfo=info)
    return path


@pytest.mark.parametrize("orientation", [None, 3, 6])
@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
@pytest.mark.parametrize("before", ["jpg", "png"])
def test_from_photographs_to_all(tmp_path, before, after, orientation):
    path = save(tmp_path / f"a.{before}", orientation=orientation)
    out = color(path, tmp_path / f"b.{after}")
    assert_kept(out)
    assert xmp_of(out) == PACKET
    with Image.open(out) as image:
        assert image.size == ((24, 40) if orientation == 6 else (40, 24))
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert image.info["icc_profile"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
def test_from_tiff_to_all(tmp_path, order, big, after):
    path, out = tmp_path / "a.tif", tmp_path / f"b.{after}"
    write_tiff(path, order, big)
    assert_kept(color(path, out))
    assert xmp_of(out) == PACKET
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def write_tiff(path, order="<", big=False, image=GRAY, extra=(), **options):
    """A TIFF whose directories of EXIF are laid by hand, with a library's own tags before."""
    texts = [(code, 2, 0, value, True) for code, value in FIRST.items() if code != 306]
    tags = [*texts, (700, 1, len(PACKET), PACKET, True), *extra]
    tifffile.imwrite(
        path,
        image,
        byteorder=order,  # pyright: ignore[reportArgumentType]
        bigtiff=big,
        metadata=None,
        datetime=FIRST[306],
        resolution=(300, 300),
        resolutionunit=2,
        extratags=[*tags, (34664, 4, 1, 0, True), (34852, 4, 1, 0, True)],
        **options,
    )
    with tifffile.TiffFile(path, mode="r+b") as file:  # pyright: ignore[reportArgumentType]
        for code, block in ((34664, laid(0x8769, order, big)), (34852, laid(0x8825, order, big))):
            tag = file.pages.first.tags[code]
            handle = file.filehandle
            end = handle.seek(0, 2)
            end += handle.write(bytes(end % 2))
            handle.write(block(end))
            tag.overwrite(end)
            handle.seek(tag.offset)
            handle.write(struct.pack(order + "H", code + 1))


def laid(group, order, big):
    """A directory of EXIF, written by Pillow."""
    prefix = {"<": b"II", ">": b"MM"}[order]
    head = prefix + struct.pack(order + "HI", 42, 8)

    def write(offset):
        ifd = TiffImagePlugin.ImageFileDirectory_v2(head, group=group)
        ifd._bigtiff = big  # Pillow sees it in little-endian headers alone
        for code, value in (PHOTO | {37500: MAKER} if group == 0x8769 else GPS).items():
            ifd[code] = value
            if group == 0x8769 and isinstance(value, bytes):
                ifd.tagtype[code] = 7
        return ifd.tobytes(offset)

    return write


def test_sixteen_bits(tmp_path):
    for name in ("a.png", "a.tif"):
        path = save(tmp_path / name, dtype="uint16")
        out = color(path, tmp_path / f"b{path.suffix}")
        assert_kept(out) if name == "a.png" else None
        with Image.open(out) as image:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_the_thumbnail_of_the_nir_image_is_gone(tmp_path, name):
    block, shown = with_thumbnail(exif())
    Image.fromarray(GRAY).save(tmp_path / name, exif=block)
    assert shown in (tmp_path / name).read_bytes()
    out = color(tmp_path / name, tmp_path / f"out{name[1:]}")
    assert shown not in out.read_bytes()
    with Image.open(out) as image:
        assert dict(image.getexif().get_ifd(1)) == {}
    assert_kept(out)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_makers_note_stays_where_it_lay(tmp_path, name):
    def place(path):
        with Image.open(path) as image:
            return image.info["exif"].removeprefix(b"Exif\0\0").index(MAKER)

    save(tmp_path / name)
    out = color(tmp_path / name, tmp_path / f"out{name[1:]}")
    assert place(out) == place(tmp_path / name)


def test_what_it_says_of_pixels_is_true_of_the_colors(tmp_path):
    made = Image.Exif()
    made[274] = 6
    made.get_ifd(0x8769).update({40961: 65535, 40962: 40, 40963: 24, 37396: (5, 6), 36867: "d"})
    Image.fromarray(GRAY).save(tmp_path / "a.jpg", exif=made)
    _, photo, _ = directories(color(tmp_path / "a.jpg", tmp_path / "b.jpg"))
    assert photo == {40961: 1, 40962: 24, 40963: 40, 36867: "d"}


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_the_resolution_is_turned_with_the_pixels(tmp_path, name):
    path = save(tmp_path / name, orientation=6, dpi=(100, 50))
    with Image.open(color(path, tmp_path / f"b{path.suffix}")) as image:
        assert image.info["dpi"] == pytest.approx((50, 100), abs=0.02)  # per meter, rounded


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a.jpg", "a.png", "a.tif"):
        path = save(tmp_path / name)
        one = color(path, tmp_path / f"one{path.suffix}").read_bytes()
        assert color(path, tmp_path / f"two{path.suffix}").read_bytes() == one


@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
def test_a_file_without_metadata_gets_the_statement(tmp_path, after):
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    out = color(tmp_path / "a.png", tmp_path / f"b.{after}")
    assert directories(out)[0][305] == STATEMENT
    assert f'xmp:CreatorTool="{STATEMENT}"'.encode() in xmp_of(out)
    with Image.open(out) as image:
        assert after != "png" or image.text["Software"] == STATEMENT  # pyright: ignore[reportAttributeAccessIssue]
        assert image.info.get("dpi", (1, 1)) == ((72, 72) if after == "jpg" else (1, 1))  # none


def test_texts_of_a_png(tmp_path, capfd):
    path = save(tmp_path / "a.png")
    with Image.open(color(path, tmp_path / "b.png")) as image:
        assert image.text["Author"] == "me"  # pyright: ignore[reportAttributeAccessIssue]
        assert image.text["Software"] == STATEMENT  # pyright: ignore[reportAttributeAccessIssue]
    capfd.readouterr()
    color(path, tmp_path / "b.jpg", verbose=True)
    assert "a.png: its colors go without: texts of the PNG" in capfd.readouterr().err


@pytest.mark.parametrize("after", ["jpg", "png", "tif"])
def test_no_metadata_leaves_pixels_and_profile(tmp_path, after):
    place = [(33550, 12, 3, (0.5, 0.5, 0.0), True)]
    write_tiff(tmp_path / "a.tif", extra=place)
    out = color(tmp_path / "a.tif", tmp_path / f"b.{after}", metadata=False)
    data = out.read_bytes()
    for word in (b"Maker", b"HAQAGen", b"tifffile", b"xmpmeta", b"Exif", b"near infrared"):
        assert word not in data
    with Image.open(out) as image:
        assert image.info["icc_profile"]
        assert image.info.get("dpi", (1, 1)) == (1, 1)
        assert 33550 not in image.getexif()
        assert 271 not in image.getexif()


def test_a_large_tiff_that_is_streamed(tmp_path):
    image = np.tile(np.arange(256, dtype=np.uint8), (2400, 10))
    extra = [(33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0.0,) * 6, True)]
    write_tiff(tmp_path / "a.tif", image=image, extra=extra, tile=(128, 128), compression="zlib")
    out = color(tmp_path / "a.tif", tmp_path / "b.tif")
    assert_kept(out)
    np.testing.assert_array_equal(tifffile.imread(out), np.repeat(image[..., None], 3, -1))
    with tifffile.TiffFile(out) as file:
        assert len(file.pages) == 1
        assert file.pages.first.is_tiled
        assert file.pages.first.tags.valueof(33550) == (0.5, 0.5, 0.0)
    with Image.open(out) as read:
        assert np.array_equal(np.asarray(read)[..., 1], image)
