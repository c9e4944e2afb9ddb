"""Processes that cannot come together end soon, with one line."""

import subprocess
import sys

import pytest
from commands import NO_F, command, environment, free_port, run

JOIN = """
import sys
from haqagen_jax.cli.ending import Ending
from haqagen_jax.run.processes import Place, join
with Ending() as ending:
    ending.at_once = True
    join(Place(sys.argv[1], 2, int(sys.argv[2])), joining=3)
"""


@pytest.mark.parametrize("process", [0, 1])
def test_who_waits_in_vain_says_so(process):
    address = f"127.0.0.1:{free_port()}"
    words = [sys.executable, "-c", JOIN, address, str(process)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("haqagen: ")]
    assert line.startswith(
        f"haqagen: process {process} of 2, coordinator {address}: the processes did not come "
        "together (not all came within 3 s); "
    )
    assert line.endswith(
        "check the address, that all are started, and that each has its own number"
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--processes", "2"], "--distributed, or all of --coordinator, --processes and"),
        (["--distributed", "--process", "0"], "--distributed, or all of --coordinator"),
        (["--distributed"], "the launcher's settings: the processes did not come together"),
        (
            ["--coordinator", "127.0.0.1:1", "--processes", "2", "--process", "2"],
            "process 2 of 2, coordinator 127.0.0.1:1: the processes did not come together (",
        ),
    ],
)
def test_bad_places_are_refused(data, tmp_path, words, message):
    said = run([*command(data, tmp_path / "w", *NO_F), *words], environment(), status=2)
    assert f"haqagen: {message}" in said
    assert not (tmp_path / "w").exists()
