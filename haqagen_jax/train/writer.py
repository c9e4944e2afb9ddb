"""What a run writes down: one JSON object a line, and the same for TensorBoard.

The JSON lines are the record that a continued run reads back; what was written after the
checkpoint it continues from is dropped, because those steps are about to be repeated.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tensorboardX import SummaryWriter

History = dict[str, list[tuple[int, float]]]


class MetricsFile:
    """A file of JSON lines, each with a "step"."""

    def __init__(self, path: Path, *, start: int) -> None:
        """Opens a record.

        Args:
            path: of the file.
            start: the step that the run continues from; later lines are dropped.
        """
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        # A line that a killed run did not finish does not end in a brace.
        kept = [
            line for line in lines if line.endswith("}\n") and json.loads(line)["step"] <= start
        ]
        path.write_text("".join(kept), encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def history(self) -> History:
        """Returns every value ever written: name to (step, value) pairs."""
        history: History = defaultdict(list)
        for line in self._path.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            step = values.pop("step")
            for name, value in values.items():
                history[name].append((step, value))
        return dict(history)


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
        """Writes values of one step."""
        self._metrics.write(step, values)
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes a uint8 picture (h, w, 3) for TensorBoard."""
        self._board.add_image(name, image, step, dataformats="HWC")

    def history(self) -> History:
        """Returns every scalar of the run so far."""
        return self._metrics.history()

    def close(self) -> None:
        """Writes out what is buffered."""
        self._board.close()
