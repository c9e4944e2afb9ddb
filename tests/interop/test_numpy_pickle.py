"""Pickled arrays are data: what numpy writes is read, and anything else is refused in one line."""

import collections
import fractions
import os
import pickle
import pickletools

import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.numpy_pickle import Ndarray, read_tree

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def read(tmp_path):
    def load(value, protocol=3):
        path = tmp_path / "a.ckpt"
        data = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
        path.write_bytes(data)
        return read_tree(path, "give another")

    return load


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize(
    "array",
    [ARRAY, np.asfortranarray(ARRAY), ARRAY[:, ::2], np.array([3], np.float32), ARRAY[:0]],
    ids=["rows", "columns", "strided", "one", "none"],
)
def test_arrays_as_numpy_writes_them(read, array, protocol):
    tree = read({"a": {"b": array}, "c": array}, protocol)
    assert isinstance(tree["a"]["b"], Ndarray)
    np.testing.assert_array_equal(tree["a"]["b"].values, array, strict=True)
    assert tree["c"] is tree["a"]["b"]


def test_numpy_1_named_its_module_otherwise(read):
    old = pickle.dumps(ARRAY, 3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core.multiarray" in old
    np.testing.assert_array_equal(read(old).values, ARRAY)


class _Harmful:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_Harmful(), "refers to (posix|nt).system, which is refused"),
        (fractions.Fraction(1, 3), "refers to fractions.Fraction, which is refused"),
        (collections.OrderedDict(a=1), "refers to collections.OrderedDict, which is refused"),
        (ARRAY.astype(np.float64), "an array of type 'f8'; must be f4"),
        (ARRAY.astype(">f4"), "an array of byte order '>'; must be <"),
        (np.array([{}], object), "an array of type 'O8'"),
        (np.ma.array(ARRAY), "refers to numpy.ma"),
        (b"hello", "is no pickle of arrays, or damaged"),
        (b"", "is no pickle of arrays, or damaged"),
        (b"\x80\x03cnumpy\nndarray\n)R.", "calls a str"),
        (b"\x80\x03cnumpy._core.multiarray\n_reconstruct\nX\x01\x00\x00\x00a\x85R.", "class 'a'"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_array_is_refused(read, value, message):
    with pytest.raises(InputError, match=rf"^[^\n]*{message}[^\n]*; give another$"):
        read(value)


def _with_state(shape, *, data=bytes(8), dtype=True):
    """The pickle of an array whose state says what it is told."""
    text = pickle.dumps(ARRAY, 3)
    ops = [(op.name, arg, at) for op, arg, at in pickletools.genops(text) if at is not None]
    marks = [at for name, _, at in ops if name == "MARK"]
    kind = next(at for name, arg, at in ops if name == "GLOBAL" and arg == "numpy dtype")
    end = next(at for name, _, at in ops if name == "NEWFALSE" and at > marks[-1])
    middle = text[kind:end] if dtype else b"N"
    size = len(data).to_bytes(4, "little")
    state = b"(K\x01" + shape + middle + b"\x89B" + size + data + b"tb."
    return text[: marks[0]] + state


def test_the_state_of_an_array_must_fit(read):
    np.testing.assert_array_equal(read(_with_state(b"K\x02\x85")).values, np.zeros(2))
    for data, message in {
        _with_state(b"K\x03\x85"): "shape does not fit its 2 values",
        _with_state(b"K\x02\x85", data=bytes(7)): "damaged",
        _with_state(b"J\xff\xff\xff\xff\x85"): "an impossible shape",
        _with_state(b"(" + b"K\x01" * 33 + b"t"): "an impossible shape",
        _with_state(b"X\x01\x00\x00\x002\x85"): "an impossible shape",
        _with_state(b"K\x02\x85", dtype=False): "without a type",
    }.items():
        with pytest.raises(InputError, match=rf"^[^\n]*{message}[^\n]*; give another$"):
            read(data)


def test_a_pickle_that_ends_too_early(read):
    data = pickle.dumps({"a": ARRAY}, 3)
    for length in range(len(data)):
        with pytest.raises(InputError, match="damaged"):
            read(data[:length])


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"^cannot be read \(Is a directory\); give another$"):
        read_tree(tmp_path, "give another")
