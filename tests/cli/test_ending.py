"""Commands that cannot go on say so in one line: real processes, real signals, a full device."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from haqagen_jax.errors import InputError

FULL = Path("/dev/full")
START = "import signal, os, sys\nfrom haqagen_jax.cli.ending import Ending\n"


def python(code, **options):
    command = [sys.executable, "-c", START + code]
    return subprocess.run(
        command, stderr=subprocess.PIPE, text=True, timeout=120, check=False, **options
    )


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "body", ["print('hello')", "print('x' * 99_999)", "import argparse; parser.parse_args(['-h'])"]
)
def test_a_full_stdout_is_one_line(body, unbuffered):
    code = f"import argparse\nparser = argparse.ArgumentParser()\nwith Ending():\n    {body}"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with FULL.open("w") as full:
        done = python(code, stdout=full, env=environment)
    assert done.returncode == 1
    assert done.stderr == (
        "haqagen: standard output: cannot be written (No space left on device); send it elsewhere\n"
    )


def test_a_reader_that_goes_away_is_no_news():
    reader, writer = os.pipe()
    os.close(reader)
    done = python("with Ending():\n    print('hello')", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_an_import(tmp_path, number):
    # In the middle of an import, what would be raised is lost or takes the process down.
    (tmp_path / "slow.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(0.2)\nprint('loaded')\n"
    )
    code = (
        f"import time\nsys.path.insert(0, {str(tmp_path)!r})\n"
        # A process that was started in the background ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with Ending() as ending:\n"
        "    ending.hint = '; go on'\n"
        "    import slow\n"
        "    time.sleep(60)\n"
    )
    done = python(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (130, "loaded\n")
    assert done.stderr == "haqagen: interrupted; go on\n"


def test_what_is_to_be_ignored_is_ignored():
    code = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with Ending():\n    os.kill(os.getpid(), signal.SIGINT)\n    print('done')\n"
    )
    done = python(code, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_before_anything_is_loaded():
    code = (
        "from haqagen_jax import __main__\n"
        "class Finder:\n"
        "    def find_spec(name, path, target=None):\n"
        "        if name == 'haqagen_jax.cli.main':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder)\n"
        "__main__.main()"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (130, "haqagen: interrupted\n")


def test_the_command_line_loads_nothing_heavy():
    heavy = "{'numpy', 'ml_collections'}"
    code = f"import haqagen_jax.cli.main; sys.exit(bool({heavy} & set(sys.modules)))"
    assert python(code).returncode == 0


def test_names_cannot_break_a_line():
    text = str(InputError("a\nb\u2028c\udcff\x1b[1m é: no such file"))
    assert text == r"a\nb\u2028c\udcff\x1b[1m é: no such file"
