"""What a file is, told by its first bytes: at least ten variants of each kind."""

import gzip
import io
import itertools
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from safetensors.numpy import save

from haqagen_jax.errors import InputError
from haqagen_jax.system import file_kind
from haqagen_jax.system.file_kind import recognize, recognize_zip, weights_inside

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def _pages():
    pages = itertools.product(
        ("", "\n  ", "\ufeff", "\r\n"), ("<!DOCTYPE html>", "<html>", "<HTML lang=de>", "<!-- -->")
    )
    return [f"{space}{start}<title>Sign in</title>".encode() for space, start in pages]


def _pointers():
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
    return [text.format(f"{i:064x}", 10**i).encode() for i in range(10)]


def _safetensors():
    names = ("a", "params/x", "é", "long" * 100)
    sizes = ((), (1,), (3, 200))
    return [save({n: np.ones(s, "f4")}) for n, s in itertools.product(names, sizes)]


def _pickles():
    values = ({}, {"a": 1}, [np.ones(2)], Path("x"), 7)
    return [pickle.dumps(value, protocol) for value in values for protocol in (2, 3, 4, 5)]


def _arrays(compressed: bool):
    made = []
    for count in range(1, 11):
        file = io.BytesIO()
        write = np.savez_compressed if compressed else np.savez
        write(file, **{f"a{i}": np.ones(i) for i in range(count)})  # pyright: ignore[reportArgumentType]
        made.append(file.getvalue())
    return made


def _npy():
    made = []
    for dtype, shape in itertools.product(("u1", "f4", ">i2", "c8"), ((), (3,), (2, 3))):
        file = io.BytesIO()
        np.save(file, np.ones(shape, dtype))
        made.append(file.getvalue())
    return made


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def _tar(mode: str):
    made = []
    for size in range(10):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as archive:  # pyright: ignore
            entry = tarfile.TarInfo(f"weights{size}.pth")
            entry.size = size * 100
            archive.addfile(entry, io.BytesIO(bytes(entry.size)))
        made.append(file.getvalue())
    return made


ROOTS = ("archive", "best", "netG_latest", "a b", "x.y", "1", "é", "A", "model", "state")
KINDS = {
    "an empty file": [b""] * 10,
    "a file of zeros": [bytes(size) for size in (1, 2, 7, 8, 9, 100, 512, 4095, 4096, 9999)],
    "a git-lfs pointer": _pointers(),
    "a web page": _pages(),
    "an XML text": [
        f"{space}{start}".encode()
        for space in ("", " ", "\n", "\ufeff")
        for start in ("<?xml version='1.0'?>", "<Error><Code>AccessDenied", "<svg width='1'>")
    ],
    "a safetensors file": _safetensors(),
    "a Python pickle": _pickles(),
    "a NumPy archive": [*_arrays(False), *_arrays(True)],
    "one NumPy array": _npy(),
    "a PyTorch checkpoint": [
        *(_zip(f"{root}/data.pkl", f"{root}/data/0", f"{root}/version") for root in ROOTS),
        *(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(i, 2) for i in range(10)),
    ],
    "a TorchScript archive": [
        _zip(f"{root}/data.pkl", f"{root}/code/__torch__.py", f"{root}/constants.pkl")
        for root in ROOTS
    ],
    "a Keras model": [
        _zip("metadata.json", "config.json", "model.weights.h5", *ROOTS[:i]) for i in range(10)
    ],
    "a zip archive with": [_zip(*(f"{n}.pth" for n in ROOTS[:i])) for i in range(11)],
    "a zip archive or PyTorch checkpoint that is truncated": [
        _zip("archive/data.pkl", "archive/data/0")[:size] for size in range(20, 120, 10)
    ],
    "an HDF5 file": [b"\x89HDF\r\n\x1a\n" + bytes([i]) * 100 for i in range(10)],
    "a TensorFlow Lite model": [
        struct.pack("<I", i) + b"TFL3" + bytes(20) for i in range(16, 36, 2)
    ],
    "an ONNX model": [
        bytes([8, version, 0x12, len(name)]) + name + b":\x80"
        for version, name in itertools.product((3, 6, 8, 10), (b"pytorch", b"tf2onnx", b"x"))
    ],
    "a Flax msgpack file": [
        bytes([0x80 + n, 0xA0 + len(key)]) + key + b"\x83\xa4conv"
        for n, key in itertools.product((1, 2, 3, 4), (b"params", b"state", b"opt_state"))
    ],
    "a PNG image": [imagecodecs.png_encode(PIXELS + i) for i in range(10)],
    "a JPEG image": [imagecodecs.jpeg8_encode(PIXELS, level=i * 10) for i in range(1, 11)],
    "a WebP image": [imagecodecs.webp_encode(np.stack([PIXELS + i] * 3, -1)) for i in range(10)],
    "a TIFF image": [
        mark + struct.pack("<I", i) for mark in (b"II*\0", b"MM\0*", b"II+\0") for i in range(5)
    ],
    "a gzip file": [*(gzip.compress(bytes([i]) * 99) for i in range(10)), *_tar("w:gz")],
    "a tar archive": _tar("w:"),
    "a bzip2 file": _tar("w:bz2"),
    "an xz file": _tar("w:xz"),
    "a JSON text": [
        text.encode()
        for text in ('{"a": 1}', '{\n "message": "Not Found"}', "[]", "[1, 2]", '{"error":{}}')
        for text in (text, f" {text}")
    ],
    "a text that begins": [
        f"{word}{end}".encode()
        for word in ("Not Found", "429: Too Many Requests", "Zugriff verweigert: ü", "404", "oid")
        for end in ("", "\n", "\n" * 5000, " and so on" * 900)
    ],
    "no kind of file": [
        bytes(np.random.default_rng(i).integers(128, 256, 600).astype(np.uint8)) for i in range(10)
    ],
}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_in_all_its_variants(name, tmp_path):
    assert len(KINDS[name]) >= 10
    for content in KINDS[name]:
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        kind = file_kind.file_kind(path)
        assert kind.name.startswith(name), content[:20]
        assert len(kind.name) < 200


def test_the_first_bytes_suffice():
    for name, contents in KINDS.items():
        for content in contents:
            if not content.startswith(b"PK"):
                assert recognize(content[:512]).name.startswith(name) or name == "a file of zeros"


def test_a_head_of_any_length_is_recognized_as_something():
    for contents in KINDS.values():
        for length in range(40):
            assert recognize(contents[0][:length]).name


def test_a_remedy_for_what_is_never_weights():
    for name in ("an empty file", "a git-lfs pointer", "a web page", "a file of zeros"):
        for content in KINDS[name]:
            kind = recognize(content)
            assert kind.remedy
            assert not kind.content
    assert recognize(_pointers()[0]).remedy == "git lfs pull fetches the file"


def test_the_entries_of_an_archive_are_listed():
    assert recognize_zip(["best.pth"]).name == "a zip archive with best.pth"
    assert recognize_zip(["d/", "d/a", "d/b", "d/c", "d/d"]).name.endswith("with d/a, d/b, d/c ...")
    assert recognize_zip([]).name == "a zip archive with no file"


def test_what_is_no_file(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    for path, message in (
        (tmp_path / "absent", "no such file"),
        (tmp_path / "d", "is a folder"),
    ):
        with pytest.raises(InputError, match=f"^{path}: {message}$"):
            file_kind.file_kind(path)
    for name in ("b.pt", "a.pth", "e/c.ckpt"):
        (tmp_path / "d" / name).touch()
    assert weights_inside(tmp_path / "d") == ["a.pth", "b.pt", "e/c.ckpt"]
    with pytest.raises(InputError, match=r"d: is a folder, with a.pth in it$"):
        file_kind.file_kind(tmp_path / "d")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: is no regular file$"):
        file_kind.file_kind(tmp_path / "pipe")
