"""Record of a run: terms, rates, scores and images, as files and as lines; and its best model.

Every process keeps the numbers, so that all of them stop together; process 0 writes.
"""

import contextlib
import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError, reachable
from haqagen_jax.images import files as image_files
from haqagen_jax.run.preview import loss_curves, sample_sheet
from haqagen_jax.run.processes import is_first
from haqagen_jax.run.validation import Samples
from haqagen_jax.run.writer import VALIDATION, RunWriter
from haqagen_jax.train.gradients import Metrics

SHOWN = ("generator", "critic", "mse_rgb", "cdf_rgb")  # of the terms, on the progress bar
_NAMES = 16  # of a batch's pairs, in an error message


class Record:
    """Context manager of the record of one run; buffered values are written on every exit."""

    def __init__(
        self,
        workdir: Path,
        config: Config,
        *,
        steps: int,
        facts: Mapping[str, Any],
        names: Callable[[int], list[str]],
    ) -> None:
        """Prepare a record; `begin` opens it.

        Args:
            workdir: Work directory of the run.
            config: The run's configuration.
            steps: Length of the run.
            facts: What the model's description says of its training.
            names: Function from a step to the names of the pairs in its batch.
        """
        self._workdir, self._config, self._steps = workdir, config, steps
        self._facts, self._names = facts, names
        self._pending: tuple[int, Metrics] | None = None
        self._writer: RunWriter | None = None

    def __enter__(self) -> "Record":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer:
            with reachable() if error is None else contextlib.suppress(OSError):
                self._writer.close()

    def begin(self, step: int, position: Mapping[str, Any]) -> None:
        """Open the record.

        Args:
            step: The step that was done last; 0 for a new run.
            position: What `position` returned after that step; {} for a new run.

        Raises:
            InputError: The record of the run so far cannot be read or written.
        """
        if is_first():
            self._workdir.mkdir(parents=True, exist_ok=True)
            self._writer = RunWriter(self._workdir, start=step)
        self._scores: dict[str, float] = position.get("scores", {})
        self._best_step: int | None = position.get("best_step")
        self._window: list[dict[str, float]] = list(position.get("window", ()))
        self._restart_clock()

    @property
    def best_step(self) -> int | None:
        """Step of the best model so far; None if there is none."""
        return self._best_step

    @property
    def scores(self) -> dict[str, float]:
        """Validation scores of the best model so far; {} if there is none."""
        return self._scores

    def position(self) -> dict[str, Any]:
        """Return what a checkpoint must store for `begin`.

        Returns:
            JSON values.

        Raises:
            InputError: A term of the last step is not finite.
        """
        self._settle()
        return {"best_step": self._best_step, "scores": self._scores, "window": self._window}

    def add(self, step: int, metrics: Metrics, *, waited: float) -> None:
        """Add the terms of a step, and check those of the step before.

        Terms are read one step late, so that the device is never idle meanwhile.

        Args:
            step: The step that was just dispatched.
            metrics: Its terms, which may still be being computed.
            waited: Seconds that were spent waiting for its batch.

        Raises:
            InputError: A term of the step before is not finite.
        """
        self._settle()
        self._pending = step, metrics
        self._timed += 1
        self._waited += waited

    def log(self, step: int) -> str:
        """Record rates, memory, and the means of the terms since the last log.

        Args:
            step: The step that was done last.

        Returns:
            A line with some of them.

        Raises:
            InputError: A term of the last step is not finite, or a file cannot be written.
        """
        self._settle()
        # In float64, so that terms that a checkpoint stored as JSON have the same mean.
        terms = {name: float(np.mean([t[name] for t in self._window])) for name in self._window[0]}
        self._window = []
        elapsed = time.monotonic() - self._since
        rates = {
            "rate/images": self._timed * self._config.train.batch_size / elapsed,
            "rate/waiting": self._waited / elapsed,
            **_memory(),
        }
        self._restart_clock()
        if self._writer:
            self._writer.scalars(step, {f"train/{name}": x for name, x in terms.items()} | rates)
        shown = ", ".join(f"{name} {terms[name]:.4f}" for name in SHOWN if name in terms)
        return f"{shown}, {rates['rate/images']:.2f} images/s"

    def validate(
        self,
        step: int,
        scores: Mapping[str, float],
        samples: Samples,
        variables: Callable[[], Any],
    ) -> str:
        """Record scores and images, and export the model if it is the best so far.

        Args:
            step: The step that was validated, whose checkpoint is saved.
            scores: Means over the validation split; a PSNR that is not finite is never the best.
            samples: Images of the first validation pairs.
            variables: Function that returns the generator's variables as NumPy arrays; called by
                all processes when the model is the best so far.

        Returns:
            A line with the scores.

        Raises:
            InputError: A file cannot be written.
        """
        finite = {name: value for name, value in scores.items() if math.isfinite(value)}
        best = "psnr" in finite and finite["psnr"] > self._scores.get("psnr", -math.inf)
        if best:
            self._scores, self._best_step = finite, step
            whole = variables()
        if self._writer:
            self._draw(self._writer, step, scores, samples)
            if best:
                artifact.save(
                    self._workdir / "model",
                    self._config,
                    whole,
                    training={**self._facts, "step": step, "of": self._steps, "validation": finite},
                )
        self._restart_clock()  # the rate is that of training alone
        best_so_far = f"{self._scores['psnr']:.3f}" if self._scores else "none"
        listed = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        return f"step {step}/{self._steps}: validation {listed} (best psnr {best_so_far})"

    def _draw(
        self, writer: RunWriter, step: int, scores: Mapping[str, float], samples: Samples
    ) -> None:
        writer.scalars(step, {f"{VALIDATION}{name}": x for name, x in scores.items()})
        sheet = sample_sheet(*samples)
        writer.image(step, "samples", sheet)
        directory = self._workdir / "samples"
        directory.mkdir(exist_ok=True)
        image_files.write(directory / f"step_{step:07d}.png", sheet)
        loss_curves(writer.history(), self._workdir / "curves.png")

    def _restart_clock(self) -> None:
        self._since, self._timed, self._waited = time.monotonic(), 0, 0.0

    def _settle(self) -> None:
        """Wait for the terms of the last step, and check them."""
        if self._pending is None:
            return
        step, metrics = self._pending
        self._pending = None
        terms = {name: float(value) for name, value in jax.device_get(metrics).items()}
        for name, value in terms.items():
            if not math.isfinite(value):
                raise InputError(self._diverged(step, name, value))
        self._window.append(terms)

    def _diverged(self, step: int, term: str, value: float) -> str:
        names = self._names(step)
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        rate = self._config.optim.learning_rate
        return (
            f"step {step}: {term} is {value} in the batch of {', '.join(names[:_NAMES])}{more}; "
            f"look at these pairs, or lower optim.learning_rate = {rate} in another --workdir (the "
            "last checkpoint is kept)"
        )


def _memory() -> dict[str, float]:
    """Measure the peak memory so far, GB: of this process, and of its first device if it tells."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    device = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    peaks = {"memory/host_gb": host, "memory/device_gb": device}
    return {name: value / 1e9 for name, value in peaks.items() if value is not None}
