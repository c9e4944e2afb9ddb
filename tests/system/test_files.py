"""Atomic writes under names of any length."""

import os

import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.system.files import remove_parts, replaced, shortened, write_bytes

NAMES = ["a", "a" * 255, "é" * 127, "写" * 85, "a" * 237 + ".png", "[1]*" * 60]


@pytest.mark.parametrize("name", ["", "a" * 20, "é" * 10, "写" * 6])
def test_what_fits_stays(name):
    assert shortened(name, 20) == name


@pytest.mark.parametrize("name", ["a" * 21, "é" * 11, "写" * 7, "a写" * 9, "\udcff" * 30])
@pytest.mark.parametrize("most", [9, 10, 11, 12, 20])
def test_what_does_not_fit_is_cut_between_characters(name, most):
    cut = shortened(name, most)
    assert most - 3 - len("写".encode()) < len(os.fsencode(cut)) <= most
    start, _, digits = cut.rpartition("~")
    assert name.startswith(start)
    assert len(digits) == 8
    assert cut == shortened(name, most)
    assert len({shortened(f"{name}{number}", most) for number in range(100)}) == 100


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_length_is_written(tmp_path, name):
    write_bytes(tmp_path / name, b"x")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"x")]


@pytest.mark.parametrize("name", NAMES)
def test_the_part_of_a_killed_process_is_found(tmp_path, name):
    other = f"{name[:-2]}{'b' * len(os.fsencode(name[-2:]))}"
    with replaced(tmp_path / name), replaced(tmp_path / other):
        parts = sorted(path.name for path in tmp_path.iterdir())
        assert len(parts) == 2
        assert all(part[0] == "." and part.endswith(f".{os.getpid()}.part") for part in parts)
        remove_parts(tmp_path / name)
        (left,) = [path.name for path in tmp_path.iterdir()]
        (tmp_path / parts[parts.index(left) - 1]).touch()


def test_a_process_of_any_number(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 4_294_967_295)
    write_bytes(tmp_path / ("a" * 255), b"x")
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(tmp_path / ("a" * 256), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]
