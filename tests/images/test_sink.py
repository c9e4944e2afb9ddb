"""Rows are written to files by threads: complete files, or none."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from haqagen_jax.errors import InputError
from haqagen_jax.images import files as image_files
from haqagen_jax.images.header import Header
from haqagen_jax.images.levels import quantize
from haqagen_jax.images.sink import Abandoned, FileSink, Writers

COLORS = np.random.default_rng(0).random((150, 40, 3), dtype=np.float32)
LIMIT = 30  # seconds


@pytest.fixture
def writers():
    found = Writers()
    yield found
    found.close()


@dataclasses.dataclass(frozen=True)
class Checked(Header):
    """A header without a file, whose check for changes is an argument."""

    check: Callable[[], None] = lambda: None

    def require_unchanged(self):
        self.check()


def sink(path, writers, dtype="uint8", check=lambda: None):
    header = Checked(Path("in.tif"), 150, 40, state=(), check=check)
    return FileSink(header, path, (150, 40), np.dtype(dtype), writers)


def feed(target, until=150, step=70):
    for start in range(0, until, step):
        target.write(COLORS[start : min(start + step, until)])


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.tif", "uint8"), ("a.tif", "float32"), ("a.png", "uint16"), ("a.jpg", "uint8")],
)
def test_rows_are_written_to_a_file(tmp_path, writers, name, dtype):
    target = sink(tmp_path / name, writers, dtype)
    feed(target)
    assert not (tmp_path / name).exists()
    target.close()
    target.saved.result(LIMIT)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    read, expected = imagecodecs.imread(tmp_path / name), quantize(COLORS, dtype)
    if name == "a.jpg":
        assert read.shape == expected.shape
    else:
        np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("until", [0, 70])
@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_a_failure_leaves_no_file(tmp_path, writers, until, name):
    target = sink(tmp_path / name, writers)
    feed(target, until)
    target.fail(InputError("damaged; copy it again"))
    with pytest.raises(InputError, match=r"^in\.tif: damaged; copy it again$"):
        target.saved.result(LIMIT)
    writers.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("until", [0, 70])
def test_an_abandoned_sink_leaves_no_file(tmp_path, writers, until):
    target = sink(tmp_path / "a.tif", writers)
    feed(target, until)
    target.abandon()
    with pytest.raises(Abandoned):
        target.saved.result(LIMIT)
    writers.close()
    assert list(tmp_path.iterdir()) == []
    target.abandon()  # a second call does nothing


def test_a_source_that_has_changed_leaves_no_file(tmp_path, writers):
    def changed():
        raise InputError("has changed")

    target = sink(tmp_path / "a.tif", writers, check=changed)
    feed(target)
    target.close()
    with pytest.raises(InputError, match=r"^in\.tif: has changed$"):
        target.saved.result(LIMIT)
    writers.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path, writers, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_files.tiff, "write_rows", full)
    target = sink(tmp_path / "a.tif", writers)
    message = r"a\.tif: cannot be written \(No space left on device\); free the disk"
    # The encoder has failed: writing to it does not block.
    with pytest.raises(InputError, match=message):
        feed(target, step=1)
    with pytest.raises(InputError, match=message):
        target.saved.result(LIMIT)
    target.fail(InputError("another"))
    writers.close()
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_files_being_written_is_bounded(tmp_path):
    writers, sinks = Writers(), []
    for number in range(40):
        target = sink(tmp_path / f"{number}.png", writers)
        feed(target)
        target.close()
        sinks.append(target)
        assert sum(not one.saved.done() for one in sinks) <= writers.most
    writers.close()
    assert len(list(tmp_path.iterdir())) == 40
