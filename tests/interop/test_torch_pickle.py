"""Pickles are data here: what the standard library can write is read, and what harms is refused.

The bytes follow the pickle protocol: `}` an empty dictionary, `)` an empty tuple, `]` an empty
list, `q` to remember, `h` to recall, `s` to set an item, `.` the end.
"""

import contextlib
import io
import pickle
import pickletools
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.interop.torch_pickle import load

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"
VALUES = {
    "numbers": [0, -1, 255, 65535, 2**31 - 1, -(2**31), 2**70, -(2**2100), 0.25, float("inf")],
    "texts": ["", "é", "x" * 300, b"", b"\xff", b"y" * 300],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [[]], ([],)],
    "constants": [None, True, False],
    1: {2: {None: {}, 0.5: OrderedDict(a=1, b=OrderedDict())}},
}


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_data_of_the_standard_library(protocol):
    values = {**VALUES, "again": VALUES["tuples"]}
    if protocol < 3:  # these protocols write bytes as a call
        values["texts"] = VALUES["texts"][:3]
    file = io.BytesIO(pickle.dumps(values, protocol) + b"rest")
    tree, storages = load(file)
    assert repr(tree) == repr(values)
    assert tree["again"] is tree["tuples"]
    assert not storages
    assert file.read() == b"rest"


def test_python_2_wrote_byte_strings_and_the_entries_of_a_dictionary_as_a_list():
    pairs = b"](](U\x01aK\x01e](U\x02\xc3\xa9K\x02ee"
    data = b"\x80\x02ccollections\nOrderedDict\n" + pairs + b"\x85R."
    assert pickle.loads(data, encoding="utf-8") == {"a": 1, "é": 2}
    assert load(io.BytesIO(data))[0] == {"a": 1, "é": 2}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"}" + b")" + b"\x85" * 300_000 + b"Ns", "with a tuple for a key"),
        (b"}" + b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(60)) + b"Ns", "for a key"),
        (b"]" * 10**5 + b"a" * (10**5 - 1), "holds one list"),
        (b"N" + b"r\xff\xff\xff\xff", "holds one NoneType"),
        (b"\x8e" + struct.pack("<Q", 2**62), "damaged"),
        (b"\x96" + struct.pack("<Q", 2**40), "damaged"),
        (b"(inet\nSystem\n", "opcode INST"),
        (b"N)R", "calls a NoneType"),
        (b"]}b", "gives a state to a list"),
        (b"]NNs", "a list where a dictionary"),
        (b"}Na", "damaged"),
        (b"K\x01K\x01\x93", "a name that is not text"),
        (b"hello", "damaged"),
        (b"NN", "damaged"),
        (b"X" + struct.pack("<I", 10**6) + b"c" * 10**6 + b"q\x00h\x00\x93", "ccc, which"),
    ],
)
def test_harmful_pickles(data, message, tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + data + b".")
    with pytest.raises(InputError, match=message) as caught:
        read_state_dict(path)
    assert len(str(caught.value)) < 600 + len(str(path))
    assert "\n" not in str(caught.value)
    path.write_bytes(b"\x80\x02" + data + b".")  # as a sequence
    with pytest.raises(InputError):
        read_state_dict(path)


def test_a_text_longer_than_the_memory(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"\x80\x02\x8e" + struct.pack("<Q", 2**62))
    with pytest.raises(InputError, match="asks for more memory than there is; give"):
        read_state_dict(path)


def test_a_long_list_of_entries_serves_one_dictionary_only():
    empty = b"ccollections\nOrderedDict\n" + b"h\x00\x85R"
    data = b"\x80\x02](](K\x01K\x02eeq\x00" + empty + empty + b"\x87."
    assert load(io.BytesIO(data))[0] == ([], {1: 2}, {})


@pytest.mark.parametrize("file", ["state.pt", "sequence.pth", "wrapped.pt"])
def test_damage_of_any_kind_is_told_in_one_line(file, tmp_path):
    data = (GOLDEN / file).read_bytes()
    randomness = random.Random(0)
    damaged = [data[:length] for length in range(0, len(data) - 1, 97)]
    for _ in range(150):
        position = randomness.randrange(len(data))
        flipped = bytes([data[position] ^ 1 << randomness.randrange(8)])
        damaged.append(data[:position] + flipped + data[position + 1 :])
    path, refused = tmp_path / "a.pt", 0
    for content in damaged:
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            read_state_dict(path)  # some bits do not matter
            continue
        refused += 1
        with pytest.raises(InputError, match=rf"^{path}: .*; give a file written by [^\n]*$"):
            read_state_dict(path)
    assert refused > len(damaged) / 4


@pytest.mark.parametrize("file", ["state.pt", "wrapped.pt"])
def test_a_pickle_that_ends_too_early(file, tmp_path):
    with zipfile.ZipFile(GOLDEN / file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        data = archive.read(name)
    ends = [position for _, _, position in pickletools.genops(data)]
    for end in ends[::7]:
        path = tmp_path / "a.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", data[:end])
        with pytest.raises(InputError, match=r"damaged \(pickle exhausted before seeing STOP\)"):
            read_state_dict(path)
