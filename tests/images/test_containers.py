"""BMP, PNM, WebP, JPEG 2000, JPEG XL, NPY, AVIF and deep JPEG against what was put into them."""

import contextlib
import io
import re
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.images import levels
from haqagen_jax.images.decode import decode, decode_nir, decode_rgb
from haqagen_jax.images.files import read_nir
from haqagen_jax.images.header import open_image, upright_size

RNG = np.random.default_rng(26)
SIZE = 11, 18


def noise(bits: int, *channels: int) -> np.ndarray:
    dtype = np.uint8 if bits <= 8 else np.uint16
    image = RNG.integers(0, 2**bits, (*SIZE, *channels)).astype(dtype)
    image.flat[:2] = 0, 2**bits - 1
    return image


def full(image: np.ndarray, maximum: int) -> np.ndarray:
    """Scaled to the full range of the type, by other means than the package."""
    top = 255 if image.dtype == np.uint8 else 65535
    return np.round(image.astype(np.float64) * top / maximum).astype(image.dtype)


def gray3(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, -1)


def pillow(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def refused(data: bytes, name: str = "a.xyz") -> str:
    """The line of a refusal, which the header may give before the pixels."""

    def read() -> None:
        upright_size(io.BytesIO(data), name)
        decode(data, name)

    with pytest.raises(InputError) as caught:
        read()
    line = str(caught.value)
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    return line


def agrees(data: bytes, want: np.ndarray) -> None:
    """The pixels, their type, and the size that the header says."""
    image = decode_nir(data, "a.xyz")
    assert image.dtype == want.dtype
    assert image.dtype.isnative
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, want)
    assert upright_size(io.BytesIO(data), "a.xyz") == want.shape


EIGHT, TWELVE, SIXTEEN = noise(8), noise(12), noise(16)
BITS = (EIGHT > 127).astype(np.uint8)
BLACK = (1 - BITS) * np.uint8(255)


def p(kind: int, *fields: object, raster: bytes) -> bytes:
    header = " ".join(map(str, (SIZE[1], SIZE[0], *fields)))
    return f"P{kind}\n{header}\n".encode() + raster


def text(image: np.ndarray) -> bytes:
    return "\n".join(" ".join(map(str, row)) for row in image.reshape(SIZE[0], -1)).encode()


COMMENTED = b"P2 # kind\n# a line\r18 # width\n11\n#\n255\n# pixels\n"
PNM = {
    "P5, 8 bits": (p(5, 255, raster=EIGHT.tobytes()), EIGHT),
    "P5, 16 bits": (p(5, 65535, raster=SIXTEEN.astype(">u2").tobytes()), SIXTEEN),
    "P5, 12 bits": (p(5, 4095, raster=TWELVE.astype(">u2").tobytes()), full(TWELVE, 4095)),
    "P5, white is 51": (p(5, 51, raster=(EIGHT % 52).tobytes()), EIGHT % 52 * 5),
    "P5, white is 1": (p(5, 1, raster=BITS.tobytes()), BITS * np.uint8(255)),
    "P2": (p(2, 255, raster=text(EIGHT)), EIGHT),
    "P2, 16 bits": (p(2, 65535, raster=text(SIXTEEN)), SIXTEEN),
    "P2, comments": (COMMENTED + text(EIGHT).replace(b"\n", b" # row\n"), EIGHT),
    "P1": (p(1, raster=text(BITS)), BLACK),
    "P1, no spaces": (p(1, raster=text(BITS).replace(b" ", b"")), BLACK),
    "P4": (p(4, raster=np.packbits(BITS, axis=1).tobytes()), BLACK),
    "P6, gray": (p(6, 255, raster=gray3(EIGHT).tobytes()), EIGHT),
    "P6, 16 bits": (p(6, 65535, raster=gray3(SIXTEEN).astype(">u2").tobytes()), SIXTEEN),
    "P3": (p(3, 255, raster=text(gray3(EIGHT))), EIGHT),
    "trailing newline": (p(5, 255, raster=EIGHT.tobytes() + b"\n\n"), EIGHT),
    "of Pillow": (pillow(EIGHT, "PPM"), EIGHT),
}


@pytest.mark.parametrize("name", PNM)
def test_pnm(name):
    agrees(*PNM[name])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (p(5, 255, raster=EIGHT.tobytes()[:-1]), "truncated (197 of 198 bytes of pixels)"),
        (p(5, 65535, raster=EIGHT.tobytes()), "truncated (198 of 396 bytes"),
        (p(2, 255, raster=b"1 2 3"), "truncated (3 of 198 values)"),
        (p(5, 100, raster=bytes([255]) * 198), "damaged (a value of 255 where 100 is white)"),
        (p(2, 255, raster=text(EIGHT).replace(b" ", b" -", 1)), "damaged (a negative value)"),
        (p(2, 255, raster=b"x " * 198), "truncated or damaged (invalid literal"),
        (p(5, 0, raster=EIGHT.tobytes()), "has a damaged header (0 is white)"),
        (p(5, 70000, raster=EIGHT.tobytes()), "has a damaged header (70000 is white)"),
        (b"P5\n18", "has a damaged header"),
        (b"P5 " + b"9" * 30 + b" 1 255\n", "has a damaged header"),
        (b"P5 999999999 999999999 255\n12", "truncated (2 of "),
        (b"P5 \xff\xfe garbage", "has a damaged header"),
        (p(5, 255, raster=EIGHT.tobytes()) * 2, "holds several images"),
        (b"P5 0 0 255\n", "has no pixels"),
    ],
)
def test_pnm_that_is_refused(data, line):
    assert line in refused(data)


def _palette() -> Image.Image:
    image = Image.fromarray(EIGHT % 4, "P")
    image.putpalette([10, 10, 10, 250, 250, 250, 90, 90, 90, 160, 160, 160])
    return image


BMP = {
    "gray": (pillow(EIGHT, "BMP"), EIGHT),
    "1 bit": (pillow(Image.fromarray(BITS * np.uint8(255)).convert("1"), "BMP"), BITS * 255),
    "24 bits": (pillow(gray3(EIGHT), "BMP"), EIGHT),
    "palette": (
        pillow(_palette(), "BMP"),
        np.array([10, 250, 90, 160], np.uint8)[EIGHT % 4],
    ),
    "of imagecodecs": (imagecodecs.bmp_encode(EIGHT), EIGHT),
    "24 bits of imagecodecs": (imagecodecs.bmp_encode(gray3(EIGHT)), EIGHT),
    "trailing bytes": (pillow(EIGHT, "BMP") + b"more", EIGHT),
}


@pytest.mark.parametrize("name", BMP)
def test_bmp(name):
    data, want = BMP[name]
    agrees(data, want.astype(np.uint8))


def test_bmp_with_alpha():
    """A header of version 4, which has a mask of the bits of alpha; Pillow writes none."""
    rgba = np.concatenate([gray3(EIGHT), BITS[..., None] * np.uint8(255)], -1)
    masks = struct.pack("<4I", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, SIZE[1], -SIZE[0], 1, 32, 3, 0, 0, 0, 0, 0) + masks
    info = info.ljust(108, b"\0")
    data = b"BM" + struct.pack("<IHHI", 122 + rgba.size, 0, 0, 122) + info + rgba.tobytes()
    nir = decode_nir(data, "a.bmp")
    np.testing.assert_array_equal(np.ma.getmaskarray(nir), BITS == 0)
    np.testing.assert_array_equal(np.ma.getdata(nir), EIGHT)


def test_bmp_stored_from_above():
    data = bytearray(pillow(gray3(EIGHT), "BMP"))
    data[22:26] = (-SIZE[0]).to_bytes(4, "little", signed=True)
    agrees(bytes(data), EIGHT[::-1])


RGBA = np.concatenate([gray3(EIGHT), BITS[..., None] * np.uint8(255)], -1)


def _webp(image: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.webp_encode(image, lossless=True, **options))


def _jxl(image: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.jpegxl_encode(image, lossless=True, **options))


def _jp2(image: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(image, level=0, **options))


def _avif(image: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.avif_encode(image, level=100, **options))


def _jpeg(image: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(image, lossless=True, **options))


FLOATS = RNG.random(SIZE).astype(np.float32)
TEN = noise(10)
LOSSLESS = {
    "WebP": (_webp(gray3(EIGHT)), EIGHT),
    "WebP of Pillow": (pillow(EIGHT, "WEBP", lossless=True), EIGHT),
    "JPEG XL, 8 bits": (_jxl(EIGHT), EIGHT),
    "JPEG XL, 10 bits": (_jxl(TEN, bitspersample=10), full(TEN, 1023)),
    "JPEG XL, 12 bits": (_jxl(TWELVE, bitspersample=12), full(TWELVE, 4095)),
    "JPEG XL, 16 bits": (_jxl(SIXTEEN), SIXTEEN),
    "JPEG XL, floats": (_jxl(FLOATS), FLOATS),
    "JPEG XL, half floats": (_jxl(FLOATS.astype(np.float16)), FLOATS.astype(np.float16)),
    "JPEG XL, color": (_jxl(gray3(SIXTEEN)), SIXTEEN),
    "JPEG XL, boxes": (_jxl(SIXTEEN, usecontainer=True), SIXTEEN),
    "JPEG XL, trailing bytes": (_jxl(EIGHT) + b"more", EIGHT),
    "JPEG 2000, 8 bits": (_jp2(EIGHT), EIGHT),
    "JPEG 2000, 12 bits": (_jp2(TWELVE, bitspersample=12), full(TWELVE, 4095)),
    "JPEG 2000, 16 bits": (_jp2(SIXTEEN), SIXTEEN),
    "JPEG 2000, stream": (_jp2(SIXTEEN, codecformat="j2k"), SIXTEEN),
    "JPEG 2000, color": (_jp2(gray3(EIGHT)), EIGHT),
    "JPEG 2000, signed": (
        _jp2(SIXTEEN.astype(np.int16)),
        SIXTEEN.astype(np.int16),
    ),
    "JPEG 2000 of Pillow": (pillow(EIGHT, "JPEG2000"), EIGHT),
    "AVIF, 8 bits": (_avif(gray3(EIGHT)), EIGHT),
    "AVIF, 10 bits": (_avif(gray3(TEN), bitspersample=10), full(TEN, 1023)),
    "AVIF, 12 bits": (_avif(gray3(TWELVE), bitspersample=12), full(TWELVE, 4095)),
    "JPEG, lossless": (_jpeg(EIGHT), EIGHT),
    "JPEG, lossless, 12 bits": (_jpeg(TWELVE, bitspersample=12), full(TWELVE, 4095)),
    "JPEG, lossless, 16 bits": (_jpeg(SIXTEEN, bitspersample=16), SIXTEEN),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless(name):
    agrees(*LOSSLESS[name])


def test_a_jpeg_of_12_bits_has_the_full_range():
    smooth = np.linspace(0, 4095, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16)
    data = bytes(imagecodecs.jpeg8_encode(smooth, level=100, bitspersample=12))
    image = decode_nir(data, "a.jpg")
    assert image.dtype == np.uint16
    assert np.abs(image - smooth * (65535 / 4095)).max() < 3 * 16


@pytest.mark.parametrize(
    "size", [(1, 1), (3, 4), (8, 8), (64, 256), (300, 200), (256, 256), (9, 600)]
)
def test_the_header_of_jpeg_xl_says_the_size(size):
    data = _jxl(np.zeros(size, np.uint8))
    assert upright_size(io.BytesIO(data), "a") == size


@pytest.mark.parametrize("kind", ["WebP", "JPEG XL", "JPEG 2000", "AVIF"])
def test_alpha_is_a_mask(kind):
    data = {
        "WebP": _webp(RGBA),
        "JPEG XL": _jxl(RGBA),
        "JPEG 2000": pillow(RGBA, "JPEG2000"),
        "AVIF": _avif(RGBA),
    }[kind]
    nir = decode_nir(data, "a")
    np.testing.assert_array_equal(np.ma.getmaskarray(nir), BITS == 0)
    np.testing.assert_array_equal(np.ma.getdata(nir)[BITS == 1], EIGHT[BITS == 1])


def test_gray_with_alpha_of_jpeg_xl():
    data = _jxl(np.stack([EIGHT, BITS * np.uint8(255)], -1))
    assert decode(data, "a").names == ("gray", "alpha")


def test_a_fourth_component_of_jpeg_2000_is_alpha_only_if_the_file_says_so():
    four = noise(16, 4)
    data = _jp2(four, codecformat="j2k")
    samples = decode(data, "a.j2k")
    assert samples.names == ("red", "green", "blue", "")
    np.testing.assert_array_equal(samples.pixels, four)
    assert decode(pillow(RGBA, "JPEG2000"), "a.jp2").names[-1] == "alpha"


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    data = pillow(gray3(EIGHT), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    plain = pillow(gray3(EIGHT), kind, **({"lossless": True} if kind == "WEBP" else {}))
    want = decode_nir(plain, "a")
    want = {2: want[:, ::-1], 3: want[::-1, ::-1], 4: want[::-1], 5: want.T}.get(orientation, want)
    want = {6: want[::-1].T, 7: want[::-1, ::-1].T, 8: want[:, ::-1].T}.get(orientation, want)
    agrees(data, want)


def _turned_jxl(image: np.ndarray, orientation: int) -> bytes:
    """Add an orientation to the header of an image of 8x40 pixels, whose length is not known."""
    plain = bytes(imagecodecs.jpegxl_encode(image, lossless=True))
    stream = int.from_bytes(plain[2:], "little")
    at = 1 + 5 + 3 + 5 + 1  # both sides by 8, the ratio, and that not all is as it is most often
    extra = 1 | (orientation - 1) << 1  # extra fields, the orientation, and three of them missing
    for length in range(30, 60):
        for tone in range(30, length):  # what extra fields add: its mapping is the usual one
            head = stream & ((1 << length) - 1)
            head = head & ((1 << tone) - 1) | 1 << tone | head >> tone << (tone + 1)
            bits = head & ((1 << at) - 1) | extra << at | head >> (at + 1) << (at + 7)
            new = bits.to_bytes(-(-(length + 7) // 8), "little")
            data = plain[:2] + new + plain[2 + -(-length // 8) :]
            with contextlib.suppress(imagecodecs.JpegxlError, RuntimeError):
                imagecodecs.jpegxl_decode(data)
                return data
    raise AssertionError("no header of that length")


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
def test_the_orientation_of_jpeg_xl_is_applied(orientation):
    image = RNG.integers(0, 250, (8, 40)).astype(np.uint8)
    turned = {1: image, 3: image[::-1, ::-1], 5: image.T, 6: image[::-1].T, 8: image[:, ::-1].T}
    agrees(_turned_jxl(image, orientation), turned[orientation])


def test_exif_and_xmp_go_into_the_metadata(tmp_path):
    exif = Image.Exif()
    exif[272] = "Survey3W_RGN"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    for kind in ("WEBP", "AVIF"):
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(pillow(gray3(EIGHT), kind, exif=exif, xmp=xmp))
        with open_image(path) as (header, _):
            assert header.metadata.exif is not None
            assert header.metadata.exif.tags[272].value.startswith(b"Survey3W_RGN")
            assert header.metadata.xmp == xmp
        assert decode(path.read_bytes(), path).names == ("red", "green", "nir")


def test_colors_are_colors():
    rgb = noise(16, 3)
    for data in (_jxl(rgb), _jp2(rgb), p(6, 65535, raster=rgb.astype(">u2").tobytes())):
        np.testing.assert_array_equal(decode_rgb(data, "a"), rgb)
    small = noise(8, 3)
    for data in (_webp(small), pillow(small, "BMP"), _avif(small)):
        np.testing.assert_array_equal(decode_rgb(data, "a"), small)
    assert "is a color photograph" in _nir_refused(_webp(small))


def _nir_refused(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_nir(data, "a")
    return str(caught.value)


def _animated(kind: str) -> bytes:
    frames = [Image.fromarray(gray3(np.full(SIZE, value, np.uint8))) for value in (9, 99, 199)]
    return pillow(frames[0], kind, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_several_images_are_refused(kind):
    assert "holds 3 images; save the one to color as its own file" in refused(_animated(kind))


def test_an_animation_of_jpeg_xl_is_refused():
    assert "is an animation" in refused(bytes(imagecodecs.jpegxl_encode(np.stack([EIGHT] * 3))))


STARTS = {
    "WebP": b"RIFF\x10\0\0\0WEBPVP8L",
    "JPEG XL": b"\xff\x0a",
    "JPEG XL, boxes": b"\0\0\0\x0cJXL \r\n\x87\n",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG 2000, stream": b"\xff\x4f\xff\x51",
    "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1",
    "NPY": b"\x93NUMPY\x01\0",
    "BMP": b"BM" + bytes(12) + b"\x28\0\0\0",
}


@pytest.mark.parametrize("kind", STARTS)
def test_garbage_after_the_magic_bytes(kind):
    for end in (b"", b"garbage" * 40, bytes(300), b"\xff" * 300):
        assert re.search(
            "damaged|truncated|no pixels|animation|NPY of version", refused(STARTS[kind] + end)
        )


@pytest.mark.parametrize(
    "name",
    [*(name for name in LOSSLESS if "trailing" not in name), "BMP", "NPY"],
)
def test_truncated_anywhere(name):
    more = {"BMP": pillow(EIGHT, "BMP"), "NPY": npy(SIXTEEN)}
    data = more[name] if name in more else LOSSLESS[name][0]
    for stop in (30, 70, len(data) // 2, len(data) - 4):
        assert re.search("damaged|truncated|not a PNG", refused(data[:stop])), stop


@pytest.mark.parametrize("name", ["WebP", "JPEG XL, 16 bits", "JPEG 2000, 8 bits", "AVIF, 10 bits"])
def test_the_extension_does_not_matter(tmp_path, name):
    data, want = LOSSLESS[name]
    for ending in (".png", ".JPG", ".tif", ".npy", ""):
        path = tmp_path / f"a{ending}"
        path.write_bytes(data)
        np.testing.assert_array_equal(read_nir(path), want)


NPY = {
    "8 bits": EIGHT,
    "16 bits": SIXTEEN,
    "big-endian": SIXTEEN.astype(">u2"),
    "by columns": np.asfortranarray(SIXTEEN),
    "big-endian floats by columns": np.asfortranarray(FLOATS.astype(">f8")),
    "one channel": SIXTEEN[..., None],
    "one channel by columns": np.asfortranarray(SIXTEEN[..., None]),
    "signed": SIXTEEN.astype(np.int16),
    "64 bits": SIXTEEN.astype(np.int64) * 1000,
    "half floats": FLOATS.astype(np.float16),
    "strided": np.repeat(SIXTEEN, 2, 1)[:, ::2],
    "1x1": SIXTEEN[:1, :1],
}


@pytest.mark.parametrize("name", NPY)
def test_npy(name):
    array = NPY[name]
    want = np.load(io.BytesIO(npy(array)))
    agrees(npy(array), want.reshape(want.shape[:2]).astype(want.dtype.newbyteorder("=")))


def test_npy_without_data():
    holes = FLOATS.copy()
    holes[2, 3], holes[4, 5], holes[6, 7] = np.nan, np.inf, -np.inf
    nir = decode(npy(holes), "a.npy").pixels[..., 0]
    np.testing.assert_array_equal(np.ma.getmaskarray(nir), ~np.isfinite(holes))


class Bomb:
    """Unpickling this fails the test."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (np.zeros((5, 64, 80), np.uint8), "is an array of shape (5, 64, 80); give one image"),
        (np.zeros((64, 80, 3), np.uint8), "is an array of shape (64, 80, 3)"),
        (np.zeros((1, 4, 4, 1), np.uint8), "is an array of shape (1, 4, 4, 1)"),
        (np.zeros(7), "is an array of shape (7,)"),
        (np.float32(1), "is an array of shape ()"),
        (np.zeros((4, 4), complex), "is an array of complex128; give integers or floats"),
        (np.zeros((4, 4), bool), "is an array of bool"),
        (np.zeros((4, 4), "S3"), "is an array of |S3"),
        (np.zeros((4, 4), "M8[s]"), "is an array of datetime64[s]"),
        (np.zeros((4, 4), [("a", "u1"), ("b", "f4")]), "is an array of "),
        (np.zeros((0, 4), np.uint8), "has no pixels"),
        (np.array([[Bomb(), 1], [2, 3]], object), "holds Python objects, which are not read"),
    ],
)
def test_npy_that_is_refused(array, line):
    assert line in refused(npy(np.asarray(array)))


def test_npy_with_several_arrays_or_garbage():
    assert "holds several arrays" in refused(npy(EIGHT) + npy(EIGHT))
    assert "is NPY of version 9" in refused(b"\x93NUMPY\x09\0" + npy(EIGHT)[8:])
    long = b"\x93NUMPY\x02\0" + (20_000).to_bytes(4, "little") + b" " * 20_000
    assert "damaged header" in refused(long)
    code = npy(EIGHT).replace(b"'descr'", b"exit(1)")
    assert "damaged header" in refused(code)


def test_types_of_npy_have_a_depth():
    for array in (SIXTEEN.astype(np.int64), SIXTEEN.astype(">i4"), SIXTEEN.astype(np.uint64)):
        assert levels.known_depth(decode_nir(npy(array), "a")).dtype == np.uint16
