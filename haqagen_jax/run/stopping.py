"""How a run is asked to stop: a signal is remembered, and the loop saves before it obeys."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from haqagen_jax.run.processes import is_first

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_HEARD = b"\nhaqagen: stopping: the step is finished and saved first; once more ends it at once\n"
AGREE_EVERY = 10  # steps between two times that several processes ask each other


class Stop:
    """A context in which SIGTERM and Ctrl-C ask for a stop; a second one is not waited for.

    A signal that came while a library was in the way would otherwise be lost, or break a save.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal
        self._speaks = is_first()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        """Takes the signals over, unless the process was started to ignore them."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the signals back."""
        while self._before:
            signal.signal(*self._before.popitem())

    def requested(self, step: int) -> bool:
        """Says whether to stop after a step; every process gives the same answer.

        Args:
            step: just done; several processes only ask each other after every `AGREE_EVERY`th.
        """
        if jax.process_count() == 1:
            return self.number is not None
        if step % AGREE_EVERY:
            return False
        numbers = multihost_utils.process_allgather(np.int32(self.number or 0))
        self.number = int(np.max(numbers)) or None
        return self.number is not None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        before = self._before.get(number)
        if self.number is not None and callable(before):
            before(number, frame)
        elif self.number is None and self._speaks:
            # Not through `sys.stderr`, whose lock the interrupted code may hold.
            with contextlib.suppress(OSError):
                os.write(2, _HEARD)
        self.number = number
