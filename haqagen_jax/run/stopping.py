"""Stop a run on a signal: the signal is remembered, and the loop saves before it stops."""

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
FAULTY = 1000  # in place of a signal's number: the data are faulty; above all signals
AGREE_EVERY = 10  # steps between two exchanges among several processes


class Stop:
    """Context in which SIGTERM and Ctrl-C request a stop; a second signal ends the process at once.

    An exception raised from the signal handler could be lost inside a library, or break a save.

    Attributes:
        number: The last signal, or `FAULTY`; None before any.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._speaks = is_first()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        """Install the handlers, but for signals that the process was started to ignore."""
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
        """Restore the handlers of before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def ask(self, number: int) -> None:
        """Request a stop without a signal; one that has come stays.

        Args:
            number: In place of that of a signal.
        """
        self.number = self.number or number

    def requested(self, step: int) -> bool:
        """Say whether to stop after a step; every process gets the same answer.

        Args:
            step: The step that was just done. Several processes exchange their signals after every
                `AGREE_EVERY`th step only, because the exchange is a barrier.

        Returns:
            Whether any process has got a signal.
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
            # Not through `sys.stderr`, because the interrupted code may hold its lock.
            with contextlib.suppress(OSError):
                os.write(2, _HEARD)
        self.number = number
