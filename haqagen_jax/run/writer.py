"""What a run writes down: one JSON object a line, and the same for TensorBoard.

The JSON lines are the record that a continued run reads back. What was written after the checkpoint
that it continues from is dropped, because those steps are about to be repeated; so is the
validation at that checkpoint, which comes after the save. A value that is not finite is left out.
"""

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboardX import SummaryWriter

from haqagen_jax.errors import reachable, reason
from haqagen_jax.system import strict_json
from haqagen_jax.system.console import complain
from haqagen_jax.system.files import write_bytes

History = dict[str, list[tuple[int, float]]]
VALIDATION = "validation/"  # what the names of validation scores begin with


class MetricsFile:
    """A file of JSON lines, each with a "step"."""

    def __init__(self, path: Path, *, start: int) -> None:
        """Opens a record; a damaged line is named on stderr and left out.

        Args:
            path: of the file.
            start: the step that the run continues from; what will be repeated is dropped.

        Raises:
            InputError: the file cannot be read or replaced; it is as it was.
        """
        self._path = path
        before = b""
        if path.exists():
            with reachable():
                before = path.read_bytes()
        # A line without an end is one that a killed run did not finish.
        whole = [line for line in before.splitlines(keepends=True) if line.endswith(b"\n")]
        sound = self._sound(whole)
        kept = b"".join(line for line, record in sound if not _is_repeated(record, start))
        if kept != before or not path.exists():
            write_bytes(path, kept)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line, or nothing.

        Args:
            step: of the values.
            values: by name; those that are not finite are left out.

        Raises:
            InputError: it cannot be written.
        """
        line = (strict_json.dumps({"step": step, **_finite(values)}) + "\n").encode()
        # Without a buffer, which would be written once more when the file is closed.
        with reachable(), self._path.open("ab", buffering=0) as file:
            there = file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(there)
                raise

    def history(self) -> History:
        """Returns every value ever written: name to (step, value) pairs."""
        history: History = defaultdict(list)
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for _, values in self._sound(lines):
            step = values.pop("step")
            for name, value in values.items():
                history[name].append((step, value))
        return dict(history)

    def _sound(self, lines: list[bytes]) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yields the lines that hold a record, each with it, and names the others."""
        for number, line in enumerate(lines, start=1):
            try:
                record = strict_json.loads(line)
                _require_record(record)
            except ValueError as error:
                complain(f"{self._path}: line {number} is damaged ({reason(error)}); left out")
            else:
                yield line, record


class RunWriter:
    """JSON lines and TensorBoard files of a training run."""

    def __init__(self, workdir: Path, *, start: int) -> None:
        """Opens both.

        Args:
            workdir: the run's directory.
            start: the step that the run continues from.
        """
        self._metrics = MetricsFile(workdir / "metrics.jsonl", start=start)
        self._board = SummaryWriter(str(workdir / "tensorboard"), purge_step=start + 1)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes values of one step; those that are not finite are left out."""
        self._metrics.write(step, values)
        for name, value in _finite(values).items():
            self._board.add_scalar(name, value, step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes a uint8 image (h, w, 3) for TensorBoard."""
        self._board.add_image(name, image, step, dataformats="HWC")

    def history(self) -> History:
        """Returns every scalar of the run so far."""
        return self._metrics.history()

    def close(self) -> None:
        """Writes out what is buffered."""
        self._board.close()


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _require_record(record: object) -> None:
    """Refuses what is no JSON object of numbers with a step."""
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise ValueError("no step")
    for name, value in record.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} is no number")


def _is_repeated(record: Mapping[str, Any], start: int) -> bool:
    validated = any(name.startswith(VALIDATION) for name in record)
    return record["step"] > start or (record["step"] == start and validated)
