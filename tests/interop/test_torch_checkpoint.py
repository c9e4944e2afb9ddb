"""Checkpoints read without PyTorch: against files put together byte by byte, and against torch.

The bytes follow the pickle protocol: `c` names a global, `(`...`t` makes a tuple, `R` calls, `b`
sets a state, `Q` is a persistent object.
"""

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_checkpoint import read_state_dict

VALUES = np.arange(12, dtype=np.float32)
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"


def tensor(shape, strides, *, offset=0, key="0", length=12, kind="FloatStorage", view=b"") -> bytes:
    storage = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu")
    storage = b"(" + storage + b"J" + struct.pack("<i", length) + view + b"tQ"
    layout = b"J" + struct.pack("<i", offset) + numbers(*shape) + numbers(*strides)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + layout + b"\x89" + ORDERED_DICT + b"tR"
    )


def named(**entries: bytes) -> bytes:
    items = b"".join(text(name) + entry for name, entry in entries.items())
    return b"\x80\x02" + ORDERED_DICT + b"(" + items + b"u."


def write_zip(path: Path, data_pkl: bytes, *, storage=None, byteorder=b"little") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", data_pkl)
        archive.writestr("net/byteorder", byteorder)
        archive.writestr("net/data/0", VALUES.tobytes() if storage is None else storage)
    return path


def write_sequence(path: Path, data_pkl: bytes, *, keys=("0",)) -> Path:
    facts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(fact, protocol=2) for fact in facts)
    storages = struct.pack("<q", 12) + VALUES.tobytes()
    path.write_bytes(head + data_pkl + pickle.dumps(list(keys), protocol=2) + storages)
    return path


WRITERS = [write_zip, write_sequence]


@pytest.mark.parametrize("write", WRITERS)
def test_views_of_one_storage(write, tmp_path):
    path = write(
        tmp_path / "a.pth",
        named(
            whole=tensor((3, 4), (4, 1)),
            turned=tensor((4, 3), (1, 4)),
            part=tensor((2, 2), (4, 1), offset=5),
            scalar=tensor((), (), offset=7),
            empty=tensor((0, 3), (3, 1)),
        ),
    )
    loaded = read_state_dict(path)
    whole = VALUES.reshape(3, 4)
    assert list(loaded) == ["whole", "turned", "part", "scalar", "empty"]
    np.testing.assert_array_equal(loaded["whole"], whole)
    np.testing.assert_array_equal(loaded["turned"], whole.T)
    np.testing.assert_array_equal(loaded["part"], whole[1:3, 1:3])
    assert loaded["scalar"].shape == ()
    assert loaded["scalar"] == 7
    assert loaded["empty"].shape == (0, 3)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("FloatStorage", np.float32),
        ("HalfStorage", np.float16),
        ("BFloat16Storage", jnp.bfloat16),
        ("LongStorage", np.int64),
        ("BoolStorage", np.bool_),
    ],
)
def test_dtypes(kind, dtype, tmp_path):
    values = np.array([0, 1, 1], dtype)
    entry = tensor((3,), (1,), length=3, kind=kind)
    path = write_zip(tmp_path / "a.pt", named(x=entry), storage=values.tobytes())
    loaded = read_state_dict(path)["x"]
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, values)


def test_parameters_of_the_oldest_files(tmp_path):
    plain = tensor((12,), (1,)).replace(b"_rebuild_tensor_v2", b"_rebuild_tensor")
    plain = plain.replace(b"\x89" + ORDERED_DICT + b"tR", b"tR")
    parameter = b"ctorch.nn.parameter\nParameter\n"
    built = parameter + b"(" + plain + b"t\x81(\x88\x89" + ORDERED_DICT + b"tb"
    with_state = parameter + b")\x81(" + plain + b"NN\x88\x89tb"
    path = write_sequence(tmp_path / "a.pth", named(built=built, with_state=with_state))
    for loaded in read_state_dict(path).values():
        np.testing.assert_array_equal(loaded, VALUES)


def test_entry_of_metadata_is_ignored(tmp_path):
    # torch.nn.Module.state_dict hangs `_metadata` on its dictionary.
    body = named(x=tensor((12,), (1,)))[:-1] + b"}" + text("_metadata") + ORDERED_DICT + b"sb."
    assert list(read_state_dict(write_zip(tmp_path / "a.pth", body))) == ["x"]


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_inside_a_wrapper(write, tmp_path):
    inner = named(x=tensor((12,), (1,)))[2:-1]
    for content in (
        {"state_dict": inner, "epoch": b"K\x03", "others": inner},
        {"epoch": b"N", "state_dict": inner},
    ):
        loaded = read_state_dict(write(tmp_path / "a.pth", named(**content)))
        assert list(loaded) == ["x"]
        np.testing.assert_array_equal(loaded["x"], VALUES)
    number = b"K\x03"
    for content, message in {
        named(others=inner, epoch=number): "'others' is a OrderedDict, not a tensor",
        named(state_dict=named(x=number)[2:-1], y=inner): "'x' is a int, not a tensor",
        named(state_dict=number, y=inner): "'state_dict' is a int, not a tensor",
    }.items():
        with pytest.raises(InputError, match=message):
            read_state_dict(write(tmp_path / "a.pth", content))
    path = write(tmp_path / "a.pth", named(state_dict=tensor((12,), (1,)), y=tensor((), ())))
    assert list(read_state_dict(path)) == ["state_dict", "y"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("0", "7"), "a storage '7' that the"),
        ((), "storage '0' is missing"),
    ],
)
def test_a_sequence_with_other_storages(keys, message, tmp_path):
    path = write_sequence(tmp_path / "a.pth", named(x=tensor((12,), (1,))), keys=keys)
    with pytest.raises(InputError, match=message):
        read_state_dict(path)


def test_a_sequence_with_another_list_of_storages(tmp_path):
    path = write_sequence(tmp_path / "a.pth", named(x=tensor((3,), (1,), length=11)))
    with pytest.raises(InputError, match="storage '0' is not of 11 elements"):
        read_state_dict(path)
    content = write_sequence(path, named(x=tensor((12,), (1,)))).read_bytes()
    deep = b"\x80\x02])" + b"\x85" * 300_000 + b"a."
    path.write_bytes(content.replace(pickle.dumps(["0"], protocol=2), deep))
    with pytest.raises(InputError, match="has a storage a tuple that the pickle"):
        read_state_dict(path)


def test_a_sequence_is_read_where_the_tensors_are(tmp_path):
    length = 25 * 2**20
    inner = named(x=tensor((12,), (1,)))[2:-1]
    other = tensor((1,), (1,), key="1", length=length)
    path = write_sequence(tmp_path / "a.pth", named(other=other, state_dict=inner), keys=("0", "1"))
    content = path.read_bytes() + struct.pack("<q", length)
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + 4 * length)
    tracemalloc.start()
    assert list(read_state_dict(path)) == ["x"]
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    with path.open("r+b") as file:
        file.truncate(len(content) + 4 * length - 1)
    with pytest.raises(InputError, match=f"storage '1' is not of {length} elements"):
        read_state_dict(path)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("cposix\nsystem\n", r"posix\.system"),
        ("cbuiltins\neval\n", r"builtins\.eval"),
        ("cos\nsystem\n", r"os\.system"),
        ("ctorch.nn.modules.container\nSequential\n", r"torch\.nn\.modules\.container\.Sequential"),
        ("ctorch.storage\n_load_from_bytes\n", r"torch\.storage\._load_from_bytes"),
        ("chaqagen_jax.interop.torch_checkpoint\npickle.loads\n", r"pickle\.loads"),
        ("ccollections\nOrderedDict.fromkeys\n", r"OrderedDict\.fromkeys"),
    ],
)
def test_a_malicious_pickle_is_refused_by_name(write, call, name, tmp_path):
    trace = tmp_path / "trace"
    bad = call.encode() + b"(" + text(f"touch {trace}") + b"tR"
    path = write(tmp_path / "bad.pth", named(x=bad, y=tensor((12,), (1,))))
    with pytest.raises(InputError, match=f"bad.pth: refers to .*{name}"):
        read_state_dict(path)
    assert not trace.exists()


def test_a_malicious_stack_global_is_refused(tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(trace)!r}, 'w')",)

    path = write_zip(tmp_path / "bad.pth", pickle.dumps({"x": Evil()}, protocol=5))
    with pytest.raises(InputError, match=r"builtins\.exec"):
        read_state_dict(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["torch.nn.parameter\nParameter\n", "torch\nFloatStorage\n"])
def test_a_pickle_cannot_set_attributes_of_what_it_names(name, tmp_path):
    # BUILD with (None, {...}) would set them, for the next file too.
    state = b"(N}" + text("__setstate__") + b"Nst"
    with pytest.raises(InputError):
        read_state_dict(
            write_zip(tmp_path / "bad.pth", named(x=b"c" + name.encode() + state + b"b"))
        )
    parameter = b"ctorch.nn.parameter\nParameter\n)\x81("
    good = named(x=parameter + tensor((12,), (1,)) + b"NN\x88\x89tb")
    loaded = read_state_dict(write_zip(tmp_path / "good.pth", good))
    np.testing.assert_array_equal(loaded["x"], VALUES)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor((13,), (1,)), "outside its storage"),
        (tensor((12,), (1,), offset=1), "outside its storage"),
        (tensor((1000, 1000), (0, 0)), "outside its storage"),
        (tensor((-3,), (1,)), "-3 where a number of elements"),
        (tensor((3,), (-1,)), "-1 where a number of elements"),
        (tensor((3,), (1,), length=11), "not of 44 bytes"),
        (tensor((3,), (1,), key="7"), "net/data/7 is missing"),
        (tensor((3,), (1,), key="../0"), "is missing"),
        (tensor((3,), (1,), kind="ComplexFloatStorage"), r"torch\.ComplexFloatStorage"),
        (tensor((3,), (1,), view=text("v")), "not a storage"),
        (tensor((3,), (1, 1)), "1 sizes and 2 strides"),
        (tensor((1,) * 33, (1,) * 33), "33 sizes and 33 strides"),
        (tensor((3,), (1,)).replace(b"ctorch\nFloatStorage\n", text("O")), "unknown type 'O'"),
        (tensor((3,), (1,)).replace(b"cpu", b"gpu") + tensor((3,), (1,), length=11), "twice"),
        (b"}" + text("state_dict") + b"}s", "'x' is a dict, not a tensor"),
        (text("words"), "'x' is a str, not a tensor"),
        (ORDERED_DICT, "'x' is a OrderedDict, not a tensor"),
    ],
)
def test_unusable_tensors(entry, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_state_dict(write_zip(tmp_path / "a.pth", named(x=entry)))


def test_unusable_files(tmp_path):
    good = named(x=tensor((12,), (1,)))
    with pytest.raises(InputError, match=r"cannot be read \(.*\); give a file"):
        read_state_dict(tmp_path / "absent.pth")
    with pytest.raises(InputError, match="big-endian"):
        read_state_dict(write_zip(tmp_path / "big.pth", good, byteorder=b"big"))
    for name, content in {
        "empty": b"",
        "text": b"hello",
        "image": b"\x89PNG\r\n\x1a\n" + bytes(64),
        "number": pickle.dumps(7),
        "half_zip": write_zip(tmp_path / "a", good).read_bytes()[:300],
        "half_sequence": write_sequence(tmp_path / "b", good).read_bytes()[:-5],
        "no_pickle": _zip_of("readme.txt"),
        "list": write_zip(tmp_path / "c", pickle.dumps([1])).read_bytes(),
    }.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.pth: .*torch.save") as caught:
            read_state_dict(path)
        assert "\n" not in str(caught.value)


def _zip_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()
