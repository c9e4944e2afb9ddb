"""Runs that are killed, moved to other devices, or lose one of their processes."""

import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import (
    LIMIT,
    NO_F,
    ROOT,
    STAND_IN,
    command,
    environment,
    fingerprint,
    free_port,
    run,
    terms,
)
from test_topologies import TOLERANCE, assert_equal

from haqagen_jax.run.stopping import AGREE_EVERY

INFO = (STAND_IN[0], "-m", "haqagen_jax", "info")
SHORT = (*NO_F, "train.steps=60", "train.batch_size=2", "train.checkpoint_every=1")


def begin(words: list[str], env: dict) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=env, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def begin_two(data: Path, workdir: Path, *settings: str) -> list[subprocess.Popen]:
    """Begins two processes of a long run."""
    words = command(
        data, workdir, *NO_F, "train.steps=1000", "train.validate_every=1000", *settings
    )
    words += ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", "2", "--process"]
    return [begin([*words, str(i)], environment()) for i in range(2)]


def wait_for_steps(process: subprocess.Popen, workdir: Path, count: int) -> None:
    """Wait until a run has recorded some more steps."""
    before, deadline = None, time.monotonic() + LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        if (workdir / "tensorboard").is_dir():  # the record is open, and cut to the checkpoint
            now = len((workdir / "metrics.jsonl").read_text("utf-8").splitlines())
            before = now if before is None else min(before, now)
            if now >= before + count:
                return
        time.sleep(0.005)
    raise AssertionError(process.communicate())


def wait_for_save(process: subprocess.Popen, workdir: Path) -> None:
    """Wait until a checkpoint is being written."""
    while process.poll() is None:
        if any("tmp" in path.name for path in (workdir / "checkpoints").iterdir()):
            return


@pytest.mark.slow
def test_ten_kills_change_nothing(data, tmp_path):
    env, moments = environment(cache=tmp_path / "cache"), random.Random(0)
    whole = fingerprint(run(command(data, tmp_path / "whole", *SHORT), env))
    workdir, in_a_save = tmp_path / "parts", 0
    words = command(data, workdir, *SHORT)
    for kill in range(10):
        number = (signal.SIGKILL, signal.SIGTERM)[kill % 2]
        process = begin(words, env)
        wait_for_steps(process, workdir, moments.randint(1, 4))
        if kill % 4 < 2:
            wait_for_save(process, workdir)
        else:
            time.sleep(moments.uniform(0, 0.5))
        process.send_signal(number)
        _, said = process.communicate(timeout=LIMIT)
        left = any("tmp" in path.name for path in (workdir / "checkpoints").iterdir())
        if number == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            in_a_save += left
        else:
            assert process.returncode == 0, said
            assert "which is saved; run the same command to go on" in said
            assert not left
    assert in_a_save >= 3
    said = run(words, env)
    assert fingerprint(said) == whole
    assert terms(workdir) == terms(tmp_path / "whole")
    assert fingerprint(run([*INFO, str(workdir)], env)) == whole


@pytest.mark.slow
def test_a_run_of_eight_devices_goes_on_elsewhere(data, tmp_path):
    """On two devices, on one, and in two processes."""
    settings = (*NO_F, "train.precision=float64", "train.steps=40")
    words = command(data, tmp_path / "8", *settings, "train.fsdp=4")
    env = environment(devices=8, float64=True)
    process = begin(words, env)
    wait_for_steps(process, tmp_path / "8", 3)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    saved = fingerprint(run([*INFO, str(tmp_path / "8")], env))
    records = []
    for devices, processes in ((1, 1), (2, 1), (1, 2)):
        workdir = tmp_path / f"{devices}x{processes}"
        shutil.copytree(tmp_path / "8", workdir)
        env = environment(devices=devices, float64=True)
        assert fingerprint(run([*INFO, str(workdir)], env)) == saved
        run(command(data, workdir, *settings, processes=processes), env)
        records.append(terms(workdir))
        assert records[-1].keys() == set(range(1, 41))
    first = {step: record for step, record in records[0].items() if step <= 10}
    for record in records[1:]:
        ours = {step: record[step] for step in first}
        assert_equal(ours, first, relative=TOLERANCE["float64"])


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all(data, tmp_path):
    """After a step that they agree on, which all save."""
    processes = begin_two(data, tmp_path, "train.checkpoint_every=1000")
    wait_for_steps(processes[0], tmp_path, 2)
    processes[1].send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    stops = [re.search(r"haqagen: stopped after step (\d+) of 1000, which", x) for x in said]
    steps = [stop[1] for stop in stops if stop]
    assert len(steps) == 2, said
    assert steps[0] == steps[1]
    assert int(steps[0]) % AGREE_EVERY == 0
    [left] = (tmp_path / "checkpoints").iterdir()
    assert left.name == steps[0]


@pytest.mark.parametrize("lost", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_who_loses_a_process_says_so_and_ends(data, tmp_path, lost):
    """Without `launch/local.py`, which would end it."""
    processes = begin_two(data, tmp_path)
    wait_for_steps(processes[0], tmp_path, 2)
    processes[lost].kill()
    processes[lost].communicate()
    _, said = processes[1 - lost].communicate(timeout=60)
    assert processes[1 - lost].returncode == 2, said
    message = f"haqagen: process {1 - lost} of 2: another process was lost, or the network ("
    [line] = [line for line in said.splitlines() if line.startswith(message)]
    assert line.endswith("start all again, and the run goes on from its last checkpoint")
