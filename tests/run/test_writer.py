"""The record of a run: what is written comes back, and a repeated step appears once."""

import json
import resource
import signal

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

from haqagen_jax.errors import InputError
from haqagen_jax.run.writer import MetricsFile, RunWriter
from haqagen_jax.system import files


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_lines_and_history(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, start=0)
    metrics.write(2, {"a": 0.1, "b": 1 / 3})
    metrics.write(3, {"a": float("nan"), "b": float("inf"), "c": 0.5})
    metrics.write(4, {"a": 1e-30})
    assert lines(path)[0] == {"step": 2, "a": 0.1, "b": 1 / 3}
    history = metrics.history()
    # What is not finite is no number in JSON, and is left out.
    assert history == {"a": [(2, 0.1), (4, 1e-30)], "b": [(2, 1 / 3)], "c": [(3, 0.5)]}


@pytest.mark.parametrize("tail", ["", '{"step": 2, "a": 0.', '{"step": 2, "a": 0.5}'])
def test_a_continued_run_drops_what_it_will_repeat(tmp_path, tail):
    # `tail` is a line that a killed process did not finish; without its newline it is unfinished.
    path = tmp_path / "metrics.jsonl"
    before = MetricsFile(path, start=0)
    for step in (1, 2, 3, 4):
        before.write(step, {"a": step / 10})
    with path.open("a", encoding="utf-8") as file:
        file.write(tail)
    after = MetricsFile(path, start=2)
    assert after.history() == {"a": [(1, 0.1), (2, 0.2)]}
    after.write(3, {"a": 9.0})
    assert [line["step"] for line in lines(path)] == [1, 2, 3]


DAMAGE = {
    "not JSON": b'{"step": 2, "a": \x00\x00\x00\n',
    "not UTF-8": b'{"step": 2, "\xff": 0.5}\n',
    "NaN": b'{"step": 2, "a": NaN}\n',
    "too large": b'{"step": 2, "a": 1e999}\n',
    "no step": b'{"a": 0.5}\n',
    "no object": b"17\n",
    "a word": b'{"step": 2, "a": "high"}\n',
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_line_is_named_and_left_out(tmp_path, kind, capfd):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "a": 0.5}\n' + DAMAGE[kind] + b'{"step": 3, "a": 0.25}\n')
    after = MetricsFile(path, start=9)
    assert capfd.readouterr().err.startswith(f"haqagen: {path}: line 2 is damaged (")
    assert after.history() == {"a": [(1, 0.5), (3, 0.25)]}
    assert capfd.readouterr().err == ""


def test_a_full_disk_erases_nothing(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    before = MetricsFile(path, start=0)
    for step in (1, 2, 3):
        before.write(step, {"a": step / 10})
    whole = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        with pytest.raises(InputError, match=r"metrics\.jsonl: cannot be written \(No space left"):
            MetricsFile(path, start=2)
    assert path.read_bytes() == whole
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_line_that_does_not_fit_leaves_no_half(tmp_path):
    """A limit on the size of files stands for a full disk."""
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, start=0)
    metrics.write(1, {"a": 0.5})
    whole = path.read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be reached \(File too large\)"):
            metrics.write(2, {"a": 0.25})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == whole


def test_the_validation_at_the_start_is_repeated(tmp_path):
    path = tmp_path / "metrics.jsonl"
    before = MetricsFile(path, start=0)
    before.write(2, {"train/mse": 0.5})
    before.write(2, {"validation/psnr": 20.0})
    assert MetricsFile(path, start=3).history().keys() == {"train/mse", "validation/psnr"}
    assert MetricsFile(path, start=2).history().keys() == {"train/mse"}


def events(directory):
    """What TensorBoard would read: length, checksum, bytes and checksum of every record."""
    records = []
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            records.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return records


def test_tensorboard_gets_the_same(tmp_path):
    writer = RunWriter(tmp_path, start=0)
    writer.scalars(1, {"train/mse": 0.5, "train/cdf": 0.25})
    pixels = np.zeros((4, 6, 3), np.uint8)
    writer.image(1, "samples", pixels)
    writer.close()
    assert writer.history() == {"train/mse": [(1, 0.5)], "train/cdf": [(1, 0.25)]}
    values = [(e.step, v) for e in events(tmp_path / "tensorboard") for v in e.summary.value]
    scalars = {v.tag: (step, v.simple_value) for step, v in values if v.tag != "samples"}
    assert scalars == {"train/mse": (1, 0.5), "train/cdf": (1, 0.25)}
    (image,) = [v.image for _, v in values if v.tag == "samples"]
    assert (image.height, image.width) == (4, 6)


def test_a_continued_run_purges_the_repeated_steps_of_tensorboard(tmp_path):
    RunWriter(tmp_path, start=0).close()
    RunWriter(tmp_path, start=7).close()
    starts = [e.step for e in events(tmp_path / "tensorboard") if e.session_log.status == 1]
    assert starts[-1] == 8
