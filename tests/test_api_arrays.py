"""Arrays as other libraries hand them over: the same colors as of a plain one, or an InputError."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import haqagen_jax

IMAGE = np.random.default_rng(0).integers(0, 250, (30, 40)).astype(np.uint8)


class ByArray:
    """Stands for a tensor of torch."""

    def __init__(self, array=None, error=None):
        self.array, self.error = array, error

    def __array__(self, dtype=None, copy=None):
        if self.error is not None:
            raise self.error
        return self.array


class ByDlpack:
    """Has `__dlpack__` alone."""

    def __init__(self, array, error=None):
        self.array, self.error = array, error

    def __dlpack__(self, **options):
        if self.error is not None:
            raise self.error
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.fixture(scope="module")
def model():
    return haqagen_jax.load("grey")


def read_only(image):
    return np.frombuffer(image.tobytes(), image.dtype).reshape(image.shape)


@pytest.mark.parametrize(
    "nir",
    [
        read_only(IMAGE),
        np.asfortranarray(IMAGE),
        np.repeat(IMAGE, 2, 1)[:, ::2],
        IMAGE[::-1, ::-1].copy()[::-1, ::-1],
        IMAGE[..., None],
        IMAGE.tolist(),
        tuple(map(tuple, IMAGE.tolist())),
        memoryview(IMAGE.tobytes()).cast("B", IMAGE.shape),
        Image.fromarray(IMAGE),
        jnp.asarray(IMAGE),
        ByArray(IMAGE),
        ByDlpack(IMAGE.copy()),
        IMAGE.astype(">i4"),
        IMAGE.astype(np.int64),
        np.ma.masked_array(IMAGE),
    ],
    ids=lambda nir: type(nir).__name__,
)
def test_the_same_as_a_plain_array(model, nir):
    before = np.array(nir, copy=True) if isinstance(nir, np.ndarray) else None
    got = model.colorize(nir)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(np.ma.getdata(got), model.colorize(IMAGE))
    if before is not None:
        np.testing.assert_array_equal(nir, before)


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4", ">f8", ">i2", "f2", "i1", ">u4", "f8"])
def test_byte_orders_and_types(model, dtype):
    image = (IMAGE / 2).astype(dtype)
    native = image.astype(image.dtype.newbyteorder("="))
    got = model.colorize(read_only(image))
    np.testing.assert_array_equal(got, model.colorize(native))
    assert got.dtype == (np.float32 if "f" in dtype else "u2" if dtype[1:] == "u2" else "u1")


def test_masks_stay_in_batches_and_lists(model):
    masked = np.ma.masked_less(IMAGE, 60)
    masked.flags.writeable = False
    want = model.colorize(masked)
    np.testing.assert_array_equal(np.ma.getmaskarray(want)[..., 0], IMAGE < 60)
    for batch in (np.ma.stack([masked] * 2)[..., None], [masked[..., None]] * 2):
        got = model.colorize(batch)
        assert got.shape == (2, 30, 40, 3)
        for one in got:
            np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(want))
            np.testing.assert_array_equal(one.compressed(), want.compressed())
    plain = np.ma.getdata(model.colorize(IMAGE[IMAGE >= 60][None]))[0]
    np.testing.assert_array_equal(want[IMAGE >= 60].data, plain)


@pytest.mark.parametrize(
    "nir",
    [
        None,
        "photo.png",
        b"abc",
        3.0,
        object(),
        {},
        [],
        [IMAGE, IMAGE],
        [IMAGE, IMAGE[:9]],
        [np.ma.masked_less(IMAGE, 9), np.ma.masked_less(IMAGE[:9], 9)],
        IMAGE[None],
        np.zeros((0, 5), np.uint8),
        np.zeros((0, 4, 4, 1), np.uint8),
        IMAGE > 9,
        IMAGE.astype(object),
        IMAGE.astype(complex),
        IMAGE.astype("S3"),
        IMAGE.astype("m8[s]"),
        np.zeros((4, 4), "i4,f4"),
        np.ma.masked,
        np.full((4, 5), np.nan, np.float32),
        np.ma.masked_array(IMAGE, True),
        Image.fromarray(IMAGE).convert("RGB"),
        Image.fromarray(IMAGE).convert("P"),
        Image.fromarray(IMAGE).convert("1"),
        ByArray(error=RuntimeError("Can't call numpy() on Tensor that requires grad")),
        ByArray(error=TypeError("can't convert cuda:0 device type tensor to numpy")),
        ByArray(error=KeyError()),
        ByArray(error=MemoryError()),
        ByArray(array=[1, 2]),
        ByDlpack(IMAGE, error=BufferError("not on the host")),
    ],
    ids=lambda nir: type(nir).__name__,
)
def test_all_else_is_an_input_error(model, nir):
    with pytest.raises(haqagen_jax.InputError) as error:
        model.colorize(nir)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", ">i4"])
def test_one_stretch_for_several_images(model, dtype):
    """Parts of an image, stretched as the whole is, are parts of its colors."""
    whole = IMAGE[..., None] * np.ones(1) / 2 - (20 if "i" in dtype[:2] and "u" not in dtype else 0)
    whole = whole[..., 0].astype(dtype)
    whole = np.ma.masked_equal(whole, whole[3, 3])
    colors = model.colorize(whole, dtype="float32")
    for part in (np.s_[:7], np.s_[7:, 9:]):
        got = model.colorize(whole[part], stretch_from=whole, dtype="float32")
        np.testing.assert_allclose(got.filled(-1), colors[part].filled(-1), atol=1e-6)
    with pytest.raises(haqagen_jax.InputError, match="give both the same type"):
        model.colorize(whole, stretch_from=whole.astype("float64"))
    with pytest.raises(haqagen_jax.InputError, match="no pixels with data"):
        model.colorize(np.ma.masked_array(whole, True), stretch_from=whole)
