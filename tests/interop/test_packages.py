"""Files of a wheel, of an sdist and of their folders; and archives that hold something else."""

import io
import tarfile
import zipfile

import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.interop.packages import find_member, opened

FILES = {"box-1.0/box/data/a.bin": b"first", "box-1.0/box/data/b.bin": b"second"}


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "box.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def sdist(tmp_path):
    path = tmp_path / "box.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def read(package, *members):
    with opened(package, members, "give box") as files:
        return [file.read_bytes() for file in files]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_an_archive_by_its_content(kind, request, tmp_path):
    part = request.getfixturevalue(kind).rename(tmp_path / "download.part")
    assert read(part, *FILES) == [b"first", b"second"]
    with opened(part, list(FILES), "give box") as files:
        pass
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("inside", ["", "box-1.0", "box-1.0/box", "box-1.0/box/data"])
def test_a_folder_at_any_depth(wheel, tmp_path, inside):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert read(tmp_path / "unpacked" / inside, *FILES) == [b"first", b"second"]


def test_a_folder_without_the_file(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}: holds no box/a.bin; give box$"):
        find_member(tmp_path, "box/a.bin", "give box")


def test_an_archive_without_the_file(wheel, sdist):
    for package in (wheel, sdist):
        with pytest.raises(InputError, match=rf"^{package}: cannot be read \(.*c.bin.*; give box$"):
            read(package, "box-1.0/c.bin")


def test_damage(wheel, sdist, tmp_path):
    damaged = [tmp_path / "absent.whl"]
    for package in (wheel, sdist):
        content = package.read_bytes()
        for length in (0, 10, len(content) // 2):
            damaged.append(tmp_path / f"{length}.{package.name}")
            damaged[-1].write_bytes(content[:length])
    for package in damaged:
        with pytest.raises(InputError, match=rf"^{package}: [^\n]+; give box$"):
            read(package, *FILES)


def test_a_link_out_of_the_archive_is_refused(tmp_path):
    path = tmp_path / "box.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("a.bin")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(entry)
    with pytest.raises(InputError, match="cannot be read"):
        read(path, "a.bin")
