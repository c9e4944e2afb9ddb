"""Camera raw and HEIC: recognized without the extra, read with it."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images.decode import decode, decode_nir
from haqagen_jax.images.header import upright_size

RNG = np.random.default_rng(17)
SENSOR = RNG.integers(300, 4000, (64, 96)).astype(np.uint16)
CFA = (33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)
DNG = (50706, 1, 4, b"\1\4\0\0", True)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
CR3 = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64)


def tiff(*pages: dict, tags: tuple = ()) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in pages:
            image = SENSOR[::8, ::8] if page.get("subfiletype") else SENSOR
            extra = (*page.pop("extratags", ()), *(tags if writer.filehandle.tell() <= 16 else ()))
            writer.write(image, metadata=None, extratags=extra, **page)
    return buffer.getvalue()


def real_dng(orientation: int) -> bytes:
    one = (10000, 10000)
    matrix = tuple(v for i in range(9) for v in ((10000 if i % 4 == 0 else 0), 10000))
    more = (
        (50708, 2, 0, "Test NIR", True),
        (50721, 10, 9, matrix, True),
        (50728, 5, 3, one * 3, True),
        (50778, 3, 1, 21, True),
        (50714, 3, 1, 256, True),
        (50717, 3, 1, 4095, True),
        (274, 3, 1, orientation, True),
        (271, 2, 0, "Test", True),
    )
    return tiff({"photometric": 32803, "extratags": (DNG, *CFA, *more)})


PREVIEW = {"photometric": "minisblack", "subfiletype": 1, "subifds": 1}
NIKON = (271, 2, 0, "NIKON CORPORATION", True)
RAWS = {
    "CFA first": (tiff({"photometric": 32803, "extratags": (DNG, *CFA)}), "DNG"),
    "preview first": (
        tiff(PREVIEW | {"extratags": (DNG,)}, {"photometric": 32803, "extratags": CFA}),
        "DNG",
    ),
    "NEF": (
        tiff(PREVIEW | {"extratags": (NIKON,)}, {"photometric": 32803, "extratags": CFA}),
        "Nikon NEF",
    ),
    "preview only": (tiff({"photometric": "minisblack", "subfiletype": 1}, tags=(DNG,)), "DNG"),
    "no DNG": (tiff({"photometric": 32803, "extratags": CFA}), "of a TIFF's kind"),
    "real": (real_dng(1), "DNG"),
    "CR2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "Canon CR2"),
    "CR3": (CR3, "Canon CR3"),
    "RAF": (b"FUJIFILMCCD-RAW 0201" + bytes(64), "Fujifilm RAF"),
    "ORF": (b"IIRO\x08\0\0\0" + bytes(64), "Olympus ORF"),
    "RW2": (b"IIU\0\x18\0\0\0" + bytes(64), "Panasonic RW2"),
    "X3F": (b"FOVb" + bytes(64), "Sigma X3F"),
}


@pytest.fixture
def without(monkeypatch):
    for module in ("rawpy", "pillow_heif"):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed


def line(data: bytes, *, header: bool) -> str:
    with pytest.raises(InputError) as caught:
        upright_size(io.BytesIO(data), "a.JPG") if header else decode(data, "a.JPG")
    return str(caught.value)


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("name", RAWS)
def test_without_the_extra_the_line_names_the_kind_and_the_extra(name, header):
    data, kind = RAWS[name]
    assert line(data, header=header) == (
        f"a.JPG: is a camera raw image ({kind}); pip install 'haqagen-jax[raw]' to read it, or "
        "develop it to a TIFF"
    )


@pytest.mark.usefixtures("without")
@pytest.mark.parametrize("header", [True, False])
def test_a_heic_that_was_renamed_is_named(header):
    assert line(HEIC, header=header) == (
        "a.JPG: is a HEIC image; pip install 'haqagen-jax[raw]' to read it, or save it as a PNG"
    )


@pytest.mark.usefixtures("without")
def test_a_tiff_of_a_camera_that_is_no_raw_is_read():
    make = (271, 2, 0, "NIKON CORPORATION", True)
    plain = tiff({"photometric": "minisblack", "extratags": (make,)})
    developed = tiff({"photometric": "minisblack", "extratags": (DNG,)})
    for data in (plain, developed):
        np.testing.assert_array_equal(decode_nir(data, "a"), SENSOR)


class FakeRaw:
    """Stands in for a raw image of rawpy; its raw pixels are those of a constant."""

    def __init__(self, flip: int, colors: int) -> None:
        self.sizes = SimpleNamespace(iheight=6, iwidth=9, flip=flip)
        self.num_colors, self.asked = colors, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def postprocess(self, **asked):
        self.asked |= asked
        shape = (9, 6, 3) if self.sizes.flip in (5, 6) else (6, 9, 3)
        return np.full(shape, 1234, np.uint16)


@pytest.mark.parametrize(("flip", "size"), [(0, (6, 9)), (3, (6, 9)), (5, (9, 6)), (6, (9, 6))])
@pytest.mark.parametrize("colors", [1, 3])
def test_a_raw_image_is_asked_for_as_its_sensor_saw_it(monkeypatch, flip, size, colors):
    raw = FakeRaw(flip, colors)
    module = SimpleNamespace(imread=lambda _: raw, ColorSpace=SimpleNamespace(raw="raw"))
    monkeypatch.setitem(sys.modules, "rawpy", module)
    data = RAWS["CFA first"][0]
    assert upright_size(io.BytesIO(data), "a") == size
    samples = decode(data, "a")
    assert samples.pixels.shape == (*size, colors)
    assert samples.names == (("gray",) if colors == 1 else ("red", "green", "blue"))
    assert raw.asked == {
        "output_bps": 16,
        "gamma": (1, 1),
        "no_auto_bright": True,
        "adjust_maximum_thr": 0.0,
        "user_wb": [1.0, 1.0, 1.0, 1.0],
        "output_color": "raw",
    }


class FakeHeic(list):
    """Stands in for a file of pillow_heif."""

    def __init__(self, pixels: np.ndarray, bits: int, count: int = 1) -> None:
        super().__init__([None] * count)
        self.size, self.info = pixels.shape[1::-1], {"bit_depth": bits, "exif": None}
        self._pixels = pixels

    def __array__(self, dtype=None, copy=None):
        return self._pixels


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (10, np.uint16), (12, np.uint16)])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_a_heic_keeps_its_depth(monkeypatch, bits, dtype, channels):
    top, asked = 2**bits - 1, {}
    pixels = np.full((6, 9, channels) if channels else (6, 9), top, dtype)

    def open_heif(_, **options):
        asked.update(options)
        return FakeHeic(pixels, bits)

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(open_heif=open_heif))
    assert upright_size(io.BytesIO(HEIC), "a") == (6, 9)
    image = decode_nir(HEIC, "a")
    assert image.dtype == dtype
    assert (image == np.iinfo(dtype).max).all()
    assert asked == {"convert_hdr_to_8bit": False, "hdr_to_16bit": False}


def test_a_heic_of_several_images_is_refused(monkeypatch):
    fake = FakeHeic(np.zeros((6, 9), np.uint8), 8, count=3)
    module = SimpleNamespace(open_heif=lambda *_, **__: fake)
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    assert "a.JPG: holds 3 images; " in line(HEIC, header=True)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_rawpy_gives_the_values_of_the_sensor(orientation):
    pytest.importorskip("rawpy")
    data = real_dng(orientation)
    image = decode(data, "a").pixels
    assert upright_size(io.BytesIO(data), "a") == image.shape[:2]
    upright = np.rot90(image, {1: 0, 3: 2, 6: 1, 8: 3}[orientation])
    want = (SENSOR[::2, ::2] - 256.0) * (65535 / (4095 - 256))  # at the sites of red
    inner = np.s_[2:-2, 2:-2]
    assert np.abs(upright[::2, ::2, 0] - want)[inner].max() <= 1


def test_pillow_heif_gives_what_was_stored():
    library = pytest.importorskip("pillow_heif")
    image = RNG.integers(0, 1024, (6, 9, 1)).astype(np.uint16).repeat(3, -1)
    buffer = io.BytesIO()
    library.from_bytes("RGB;16", (9, 6), (image << 6).tobytes()).save(buffer, quality=-1)
    want = np.rint(image[..., 0] * (65535 / 1023))
    np.testing.assert_array_equal(decode_nir(buffer.getvalue(), "a"), want)
