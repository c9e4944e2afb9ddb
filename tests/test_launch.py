"""The files of launch/: what they start, with what, and what they do when something ends.

Schedulers are stood in for by scripts of their name; the program that trains by short commands.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

LAUNCH = Path(__file__).parents[1] / "launch"
LOCAL = [sys.executable, str(LAUNCH / "local.py"), "--processes"]
WORDS = ["--data", "a folder", "--workdir", "w", "--set", "data.nir_percentiles=(1, 99)"]

UNTIL_STOPPED = 'trap "echo stopped; exit 0" TERM; echo ready; while :; do sleep 0.05; done'


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Puts a shell script of some name on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


def run(*words: object, status: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_every_file_is_short():
    files = [path for path in LAUNCH.iterdir() if path.is_file()]
    assert {path.name for path in files} == {
        *("cpu.sh", "jobset.yaml", "local.py", "ray_colorize.py", "slurm.sh", "tpu.sh")
    }
    for path in files:
        assert len(path.read_text().splitlines()) <= 130, path.name


def test_slurm_starts_one_process_a_gpu_that_asks_slurm(stub):
    stub("srun", 'for word in "$@"; do echo "$word"; done')
    said = run(LAUNCH / "slurm.sh", *WORDS).stdout.splitlines()
    assert said == ["--kill-on-bad-exit=1", "haqagen", "train", "--distributed", *WORDS]


def test_tpu_runs_the_same_words_on_all_hosts(stub):
    stub("gcloud", 'for word in "$@"; do echo "$word"; done')
    *before, last = run(LAUNCH / "tpu.sh", "slice", "zone-a", *WORDS).stdout.splitlines()
    assert before == [
        *("compute", "tpus", "tpu-vm", "ssh", "slice", "--zone", "zone-a", "--worker=all"),
        "--command",
    ]
    assert shlex.split(last) == ["haqagen", "train", "--distributed", *WORDS]
    assert "usage" in run(LAUNCH / "tpu.sh", "slice", status=2).stderr


@pytest.fixture
def jobset() -> dict:
    return yaml.safe_load((LAUNCH / "jobset.yaml").read_text())


def test_the_jobset_agrees_with_itself(jobset):
    [workers] = jobset["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    [container] = job["template"]["spec"]["containers"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    count = int(values["PROCESSES"])
    assert job["parallelism"] == job["completions"] == count
    assert (job["completionMode"], job["backoffLimit"]) == ("Indexed", 0)
    name = jobset["metadata"]["name"]
    # <jobset>-<replicated job>-<job>-<pod>.<subdomain>, as JobSet names pods.
    assert values["COORDINATOR"].split(":")[0] == f"{name}-{workers['name']}-0-0.{name}"
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in job["template"]["spec"]["volumes"]}


@pytest.mark.parametrize(("ends_with", "status"), [("exit 0", 0), ("exit 2", 2)])
def test_a_pod_ends_as_its_run_does(jobset, stub, monkeypatch, ends_with, status):
    stub("haqagen", f'for word in "$@"; do echo "$word"; done; {ends_with}')
    for name, value in {
        "COORDINATOR": "h:1",
        "PROCESSES": "2",
        "JOB_COMPLETION_INDEX": "1",
    }.items():
        monkeypatch.setenv(name, value)
    said = run(*pod(jobset), status=status).stdout.splitlines()
    assert said[:6] == ["train", "--coordinator", "h:1", "--processes", "2", "--process"]
    assert said[6:8] == ["1", "--data"]


def test_an_evicted_pod_saves_and_does_not_count_as_done(jobset, stub):
    stub(
        "haqagen",
        "trap 'sleep 0.3; echo saved; exit 0' TERM\necho ready\nwhile :; do sleep 0.05; done",
    )
    process = subprocess.Popen(pod(jobset), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert rest == "saved\n"
    assert process.returncode == 143


def test_a_pod_that_is_evicted_at_once_ends_too(jobset, stub):
    """The shell may not even know its run's number yet."""
    stub(
        "haqagen",
        "trap 'echo saved; exit 0' TERM\nkill -TERM $PPID\nwhile :; do sleep 0.05; done",
    )
    for _ in range(20):
        assert run(*pod(jobset), status=143).stdout == "saved\n"


def pod(jobset: dict) -> list[str]:
    """What a pod runs."""
    [workers] = jobset["spec"]["replicatedJobs"]
    [container] = workers["template"]["spec"]["template"]["spec"]["containers"]
    return [*container["command"], *container["args"]]


def test_local_processes_know_each_other():
    done = run(*LOCAL, 3, "sh", "-c", 'echo "$0 $@"', "x", "y")
    lines = sorted((done.stdout + done.stderr).splitlines())
    words = [line.removeprefix(f"[{i}] ").split() for i, line in zip((1, 2, 0), lines, strict=True)]
    assert all(said[:2] == ["x", "y"] for said in words)
    ports = {said[3] for said in words}
    assert len(ports) == 1
    assert ports.pop().startswith("127.0.0.1:")
    assert [said[4:] for said in words] == [["--processes", "3", "--process", i] for i in "120"]


def test_one_local_process_that_fails_ends_all():
    script = f'shift 5; [ "$1" = 1 ] && exit 7; {UNTIL_STOPPED}'
    since = time.monotonic()
    done = run(*LOCAL, 2, "sh", "-c", script, "x", status=7)
    assert time.monotonic() - since < 20
    assert done.stdout == "ready\nstopped\n"
    assert "local.py: process 1 of 2 ended with status 7; stopping the others" in done.stderr


def test_local_signals_go_to_all():
    process = subprocess.Popen(
        [*LOCAL, "2", "sh", "-c", UNTIL_STOPPED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    assert process.stderr.readline() == "[1] ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "stopped\n", "[1] stopped\n")


@pytest.mark.parametrize("words", [["0", "true"], ["2"]])
def test_local_refuses_nothing_to_run(words):
    assert "give --processes 1 or more, and a command" in run(*LOCAL, *words, status=2).stderr
