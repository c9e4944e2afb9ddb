"""Files for `torch.load`, taken apart by the standard library; PyTorch itself is asked in
`test_torch_files`.
"""

import io
import pickle
import pickletools
import sys
import tracemalloc
import zipfile
from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.interop.torch_writer import write_state_dict

STORAGES = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "BoolStorage": np.bool_,
}
SHAPES = [(), (1,), (7,), (0,), (0, 3), (2, 0, 5), (2, 3), (4, 3, 2, 2), (300, 700)]


class Unpickler(pickle.Unpickler):
    """The standard library's; names stand for themselves, storages come from the archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        super().__init__(io.BytesIO(archive.read("archive/data.pkl")))
        self.archive = archive

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        assert module == "torch"
        return STORAGES[name]

    def persistent_load(self, pid):
        kind, dtype, key, device, length = pid
        assert (kind, device) == ("storage", "cpu")
        data = np.frombuffer(self.archive.read(f"archive/data/{key}"), dtype)
        assert data.size == length
        return data

    def rebuild(self, data, offset, shape, strides, gradient, hooks):
        assert (offset, gradient, hooks) == (0, False, OrderedDict())
        steps = [stride * data.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(data, shape, steps)


def test_the_standard_library_finds_every_type_and_shape(tmp_path):
    tensors = {
        f"{storage}.{shape}": np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        for storage, dtype in STORAGES.items()
        for shape in SHAPES
        if np.prod(shape) < 100 or storage == "LongStorage"
    }
    path = tmp_path / "a.pt"
    write_state_dict(path, tensors)
    with zipfile.ZipFile(path) as archive:
        loaded = Unpickler(archive).load()
    assert type(loaded) is OrderedDict
    for tree in (loaded, read_state_dict(path)):
        assert list(tree) == list(tensors)
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(tree[name], tensor, strict=True)


def test_any_order_in_memory_becomes_c_order_and_little_endian(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensors = {
        "turned": values.T,
        "part": values[:, 1:, ::2],
        "backwards": values[::-1],
        "repeated": np.broadcast_to(values[0, 0, 1], (3, 2)),
        "big": values.astype(">f4"),
        "bfloat16": values.astype(jnp.bfloat16),
    }
    path = tmp_path / "a.pt"
    write_state_dict(path, tensors)
    for name, loaded in read_state_dict(path).items():
        assert loaded.flags.c_contiguous
        assert loaded.dtype == tensors[name].dtype.newbyteorder("<")
        np.testing.assert_array_equal(loaded, tensors[name])


def test_the_archive(tmp_path):
    path = tmp_path / "name.pt"
    write_state_dict(path, {"a": np.ones(5, np.float32), "b": np.ones((), np.int64)})
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None
        assert archive.read("archive/byteorder") == b"little"
        assert archive.read("archive/version") == b"3\n"
        data = archive.read("archive/data.pkl")
    names = ["data.pkl", "byteorder", "data/0", "data/1", "version"]
    assert [info.filename for info in infos] == [f"archive/{name}" for name in names]
    assert [info.file_size for info in infos][2:4] == [20, 8]
    for info in infos:
        assert (info.compress_type, info.create_system) == (zipfile.ZIP_STORED, 3)
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
    named = {
        argument for opcode, argument, _ in pickletools.genops(data) if opcode.name == "GLOBAL"
    }
    assert named == {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch FloatStorage",
        "torch LongStorage",
    }
    assert not any("GLOBAL" in opcode.name[1:] for opcode, _, _ in pickletools.genops(data))
    pickletools.dis(data, out=io.StringIO())  # raises where the stack does not fit


def test_equal_tensors_give_equal_bytes(tmp_path, monkeypatch):
    tensors = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1], np.float16)}
    write_state_dict(tmp_path / "a.pt", tensors)
    monkeypatch.setattr(sys, "platform", "win32")  # elsewhere, too
    write_state_dict(tmp_path / "b.pt", {n: np.asfortranarray(t) for n, t in tensors.items()})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_no_tensors(tmp_path):
    write_state_dict(tmp_path / "a.pt", {})
    assert read_state_dict(tmp_path / "a.pt") == {}


def test_a_file_that_exists_and_tensors_that_cannot_be_written(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"mine")
    good = {"x": np.ones(2, np.float32)}
    with pytest.raises(InputError, match=r"a\.pt: exists; add --overwrite"):
        write_state_dict(path, good)
    with pytest.raises(InputError, match=r"tensor y: is of type complex128.*convert"):
        write_state_dict(path, good | {"y": np.ones(2, complex)}, overwrite=True)
    assert path.read_bytes() == b"mine"
    write_state_dict(path, good, overwrite=True)
    assert list(read_state_dict(path)) == ["x"]
    with pytest.raises(InputError, match="cannot be written"):
        write_state_dict(tmp_path / "absent" / "a.pt", good)
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


def test_tensors_are_not_copied_all_at_once(tmp_path):
    tensors = {str(i): np.full((1024, 1024), i, np.float32).T for i in range(4)}
    tracemalloc.start()
    write_state_dict(tmp_path / "a.pt", tensors)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * tensors["0"].nbytes
