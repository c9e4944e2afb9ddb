"""A stream of worker processes that is killed resumes where it was, byte for byte."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from haqagen_jax.data import build

# Prints a digest and the position after every batch, as a training run would save them.
CODE = """
import hashlib, json, sys
from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pipeline import train_iterator

if __name__ == "__main__":
    directory, state, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    pairs = split_pairs([directory], "train")
    batches = train_iterator(pairs, DataConfig(workers=2), batch_size=3, seed=4)
    if state:
        batches.set_state(state)
    for _ in range(count):
        batch = next(batches)
        digest = hashlib.sha256(batch.nir.tobytes() + batch.rgb.tobytes()).hexdigest()
        print(json.dumps([digest, batches.get_state()]), flush=True)
    print("end", flush=True)
"""


def start(script: Path, directory: Path, state: object, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(script), str(directory), json.dumps(state), str(count)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def stop(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # the workers too
    process.wait()
    output(process).close()


def test_a_killed_stream_resumes_with_the_next_batch(tmp_path):
    script = tmp_path / "stream.py"
    script.write_text(CODE)
    directory = build.build("synthetic", tmp_path / "set", count=10, size=(280, 300))
    whole = start(script, directory, None, 9)
    digests = [json.loads(output(whole).readline())[0] for _ in range(9)]
    stop(whole)
    assert len(set(digests)) == 9
    killed = start(script, directory, None, 1000)
    for _ in range(4):
        digest, state = json.loads(output(killed).readline())
    stop(killed)
    assert digest == digests[3]
    resumed = start(script, directory, state, 5)
    assert [json.loads(output(resumed).readline())[0] for _ in range(5)] == digests[4:]
    stop(resumed)
