"""Write the scalars of a run: one JSON object a line, and the same for TensorBoard.

The JSON lines are the record that a continued run reads back. Lines that were written after the
checkpoint that it continues from are dropped, because their steps are repeated; so is the
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
VALIDATION = "validation/"  # prefix of the names of validation scores


class MetricsFile:
    """A file of JSON lines, each with a "step"."""

    def __init__(self, path: Path, *, start: int) -> None:
        """Open a record; a damaged line is named on stderr and left out.

        Args:
            path: Path of the file, which need not exist.
            start: The step that the run continues from; lines that it will repeat are dropped.

        Raises:
            InputError: The file cannot be read or replaced; it is as it was.
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
        """Append a line, whole or not at all.

        Args:
            step: The step of the values.
            values: Name to value; those that are not finite are left out.

        Raises:
            InputError: The file cannot be written; it is as it was.
        """
        line = (strict_json.dumps({"step": step, **_finite(values)}) + "\n").encode()
        # Unbuffered, because a buffer would be written once more when the file is closed.
        with reachable(), self._path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(size)
                raise

    def history(self) -> History:
        """Read every value of the run so far.

        Returns:
            Name to (step, value) pairs, in the order of the steps.
        """
        history: History = defaultdict(list)
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for _, values in self._sound(lines):
            step = values.pop("step")
            for name, value in values.items():
                history[name].append((step, value))
        return dict(history)

    def _sound(self, lines: list[bytes]) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield the lines that hold a record, each with it, and name the damaged ones on stderr."""
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
        """Open the files of a run, new or to be continued.

        Args:
            workdir: Work directory of the run.
            start: The step that the run continues from.
        """
        self._metrics = MetricsFile(workdir / "metrics.jsonl", start=start)
        self._board = SummaryWriter(str(workdir / "tensorboard"), purge_step=start + 1)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step.

        Args:
            step: The step of the values.
            values: Name to value; those that are not finite are left out.

        Raises:
            InputError: The file cannot be written.
        """
        self._metrics.write(step, values)
        for name, value in _finite(values).items():
            self._board.add_scalar(name, value, step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Write an image for TensorBoard.

        Args:
            step: The step of the image.
            name: Its tag.
            image: uint8 (h, w, 3), sRGB-encoded.
        """
        self._board.add_image(name, image, step, dataformats="HWC")

    def history(self) -> History:
        """Read every scalar of the run so far.

        Returns:
            Name to (step, value) pairs, in the order of the steps.
        """
        return self._metrics.history()

    def close(self) -> None:
        """Write buffered values, and close the files."""
        self._board.close()


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _require_record(record: object) -> None:
    """Refuse what is no JSON object of numbers with a step."""
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise ValueError("no step")
    for name, value in record.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} is no number")


def _is_repeated(record: Mapping[str, Any], start: int) -> bool:
    validated = any(name.startswith(VALIDATION) for name in record)
    return record["step"] > start or (record["step"] == start and validated)
