#!/usr/bin/env python3
"""Start N processes of one training on this machine, and end all when one fails.

    python launch/local.py --processes 2 haqagen train --data DIR --workdir W ...

Each process gets the coordinator's address and its own number. The output of all but process 0 is
prefixed by the number. Signals are forwarded to all.
"""

import argparse
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

GRACE = 30  # seconds that the others have to save and stop, before they are killed
POLL = 0.2  # seconds


def main() -> None:
    """Run the processes; exit with the status of the first that failed, or 0."""
    parser = argparse.ArgumentParser(description="Starts N processes of one training.")
    parser.add_argument("--processes", type=int, required=True, metavar="N")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.processes < 1 or not args.command:
        parser.error("give --processes 1 or more, and a command")
    port = _free_port()
    coordinates = ["--coordinator", f"127.0.0.1:{port}", "--processes", str(args.processes)]
    started = [
        subprocess.Popen([*args.command, *coordinates, "--process", str(i)], **_output(i))
        for i in range(args.processes)
    ]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _send(started, number))
    readers = [
        threading.Thread(target=_relay, args=pair, daemon=True) for pair in enumerate(started)
    ]
    for reader in readers:
        reader.start()
    status = _watch(started)
    for reader in readers:
        reader.join(timeout=1)
    sys.exit(status)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _output(number: int) -> dict:
    """Return how to redirect output: that of process 0 is kept, that of others goes to `_relay`."""
    if number == 0:
        return {}
    return {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def _relay(number: int, process: subprocess.Popen) -> None:
    for line in process.stdout or ():
        print(f"[{number}] {line}", end="", file=sys.stderr, flush=True)


def _send(processes: Sequence[subprocess.Popen], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def _watch(processes: Sequence[subprocess.Popen]) -> int:
    """Wait for all; when one fails, terminate the others, and kill those that do not end."""
    while not (failed := [(i, p.returncode) for i, p in enumerate(processes) if p.poll()]):
        if all(process.returncode == 0 for process in processes):
            return 0
        time.sleep(POLL)
    number, status = failed[0]
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    print(
        f"local.py: process {number} of {len(processes)} {how}; stopping the others, run the same "
        "command to go on from the last checkpoint",
        file=sys.stderr,
    )
    _send(processes, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return status if status > 0 else 128 - status


if __name__ == "__main__":
    main()
