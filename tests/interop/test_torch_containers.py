"""Archives that would fill the memory, or are none of PyTorch's, are refused before they are read.

They are made from one that PyTorch wrote.
"""

import contextlib
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.torch_checkpoint import read_state_dict
from haqagen_jax.interop.torch_writer import write_state_dict

GOLDEN = Path(__file__).parents[1] / "golden" / "torch"


def entries(file: str) -> dict[str, bytes]:
    with zipfile.ZipFile(GOLDEN / file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, contents: dict[str, bytes], change=lambda archive: None, method=0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        change(archive)  # of the directory, which is written at the end
    return path


def overlap(archive: zipfile.ZipFile) -> None:
    (largest,) = (entry for entry in archive.filelist if entry.file_size == 4000)
    for index in range(3):
        twin = zipfile.ZipInfo(f"state/data/{index + 100}")
        twin.header_offset, twin.CRC = largest.header_offset, largest.CRC
        twin.file_size = twin.compress_size = largest.file_size
        archive.filelist.append(twin)


def encrypt(archive: zipfile.ZipFile) -> None:
    archive.filelist[-1].flag_bits |= 1


def rename(archive: zipfile.ZipFile) -> None:
    archive.filelist[-1].filename = archive.filelist[-2].filename


def resize(archive: zipfile.ZipFile) -> None:
    archive.filelist[-1].file_size += 10**12


def deflate(archive: zipfile.ZipFile) -> None:
    archive.filelist[-1].compress_type = zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (deflate, r"entry 'state/data/x' is compressed"),
        (overlap, r"has entries of \d+ bytes in a file of \d+"),
        (encrypt, r"entry 'state/data/x' is encrypted"),
        (rename, "has two entries of one name"),
        (resize, r"entry 'state/data/x' is compressed"),
    ],
)
def test_a_directory_that_lies(change, message, tmp_path):
    contents = entries("state.pt") | {"state/data/x": bytes(4000)}
    assert read_state_dict(write(tmp_path / "good.pt", contents))
    path = write(tmp_path / "bad.pt", contents, change)
    with pytest.raises(InputError, match=f"bad.pt: {message}.*; give a file written by"):
        read_state_dict(path)


def test_a_zip_bomb_is_not_opened(tmp_path):
    contents = entries("state.pt")
    contents["state/data/0"] = bytes(100 * 2**20)
    path = write(tmp_path / "a.pt", contents, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(InputError, match="is compressed"):
        read_state_dict(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_archives_of_other_programs(tmp_path):
    document = write(tmp_path / "a.docx", {"[Content_Types].xml": b"<x/>"}, method=8)
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    two = {"a/data.pkl": b"N.", "b/data.pkl": b"N."}
    for path, count in {document: 0, tmp_path / "a.npz": 0, write(tmp_path / "c", two): 2}.items():
        with pytest.raises(InputError, match=f"has {count} files named data.pkl"):
            read_state_dict(path)


def test_a_storage_with_another_checksum_is_damage(tmp_path):
    path = tmp_path / "a.pt"
    content = bytearray((GOLDEN / "state.pt").read_bytes())
    content[content.index(np.array([1, 2, 3, 4, 5], np.float32).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged \(Bad CRC-32"):
        read_state_dict(path)


def test_what_stands_beside_the_tensors_is_not_read(tmp_path):
    contents = entries("wrapped.pt")
    names = [name for name in contents if "/data/" in name and "/." not in name]
    needed = []
    for name in names:
        less = {other: content for other, content in contents.items() if other != name}
        path = write(tmp_path / "a.pt", less)
        with contextlib.suppress(InputError):
            assert len(read_state_dict(path)) == 9
            continue
        needed.append(name)
        with pytest.raises(InputError, match=f"{name} is missing"):
            read_state_dict(path)
    assert len(needed) == 9  # the tensors of the state dict
    assert len(names) > 20  # and those of the optimizer


def test_tensors_are_held_once(tmp_path):
    tensors = {str(i): np.full(2**20, i, np.float32) for i in range(4)}
    path = tmp_path / "a.pt"
    write_state_dict(path, tensors)
    tracemalloc.start()
    loaded = read_state_dict(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * sum(tensor.nbytes for tensor in loaded.values())


def test_a_file_that_is_no_archive(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(InputError, match=r"damaged \(File is not a zip file\)"):
        read_state_dict(path)
