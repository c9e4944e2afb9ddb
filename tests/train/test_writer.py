"""The record of a run: what is written comes back, and a repeated step appears once."""

import json

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from haqagen_jax.train.writer import MetricsFile, RunWriter


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_lines_and_history(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, start=0)
    metrics.write(2, {"a": 0.1, "b": 1 / 3})
    metrics.write(3, {"a": float("nan")})
    metrics.write(4, {"a": 1e-30})
    assert lines(path)[0] == {"step": 2, "a": 0.1, "b": 1 / 3}
    history = metrics.history()
    assert history["b"] == [(2, 1 / 3)]
    assert [step for step, _ in history["a"]] == [2, 3, 4]
    np.testing.assert_array_equal([value for _, value in history["a"]], [0.1, np.nan, 1e-30])


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


def events(directory):
    """What TensorBoard would read: length, checksum, bytes and checksum of every record."""
    found = []
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        while data:
            size = int.from_bytes(data[:8], "little")
            found.append(Event.FromString(data[12 : 12 + size]))
            data = data[16 + size :]
    return found


def test_tensorboard_gets_the_same(tmp_path):
    writer = RunWriter(tmp_path, start=0)
    writer.scalars(1, {"train/mse": 0.5, "train/cdf": 0.25})
    picture = np.zeros((4, 6, 3), np.uint8)
    writer.image(1, "samples", picture)
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
