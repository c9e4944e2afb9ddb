"""How a command ends: with an exit status, and one line on stderr where the user can act.

Not handled: bugs of the program, which keep their traceback.
"""

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn, TextIO

from haqagen_jax.errors import InputError, Stopped

_RETRY = 0.02  # seconds until an interrupt that came inside an import is sent again


class Ending:
    """Context manager that turns bad input, interrupts and an unwritable stdout into an exit.

    Attributes:
        hint: Text that is appended to "interrupted".
        at_once: Whether to exit after a failure without cleaning up. Other processes of a training
            wait for this one, and learn of its failure only when it is gone.
    """

    def __init__(self) -> None:
        self.hint = ""
        self.at_once = False
        self._stdout: TextIO | None = None

    def __enter__(self) -> "Ending":
        """Install handlers of signals, unless the process was started to ignore them."""
        # SIGTERM is handled like Ctrl-C, so that unfinished files are removed on the way out.
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        self._stdout = sys.stdout  # None if it was closed before the process started
        if self._stdout is not None:
            sys.stdout = _Watched(self._stdout)  # pyright: ignore
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the process, except after an error of the program, which propagates."""
        unwritten = self._close_stdout()
        if isinstance(error, KeyboardInterrupt):
            self._fail(130, f"interrupted{self.hint}")
        if isinstance(error, InputError):
            self._fail(2, str(error))
        if isinstance(error, Stopped):
            # A scheduler's SIGTERM was obeyed, so the status is 0; Ctrl-C must end a script, too.
            _say(str(error))
            sys.exit(0 if error.number == signal.SIGTERM else 130)
        if self.at_once and isinstance(error, Exception):
            traceback.print_exception(error)
            self._leave(1)
        if unwritten is None or not isinstance(error, OSError | SystemExit | None):
            return
        if isinstance(unwritten, BrokenPipeError):  # the reader went away, as `head` does
            sys.exit(1)
        self._fail(
            1, f"standard output: cannot be written ({unwritten.strerror}); send it elsewhere"
        )

    def _fail(self, status: int, message: str) -> NoReturn:
        _say(message)
        self._leave(status)

    def _leave(self, status: int) -> NoReturn:
        if self.at_once:
            os._exit(status)
        sys.exit(status)

    def _close_stdout(self) -> OSError | None:
        """Flush stdout; after a failure, replace it by the null device so that exiting succeeds."""
        watched, sys.stdout = sys.stdout, self._stdout  # pyright: ignore
        if self._stdout is None:
            return None
        with contextlib.suppress(OSError):
            watched.flush()
        failure = watched.failure  # pyright: ignore
        if failure is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stdout.fileno())
        return failure


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but not inside an import, which compiled modules do not survive."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            retry = threading.Timer(_RETRY, os.kill, (os.getpid(), number))
            retry.daemon = True
            retry.start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


class _Watched:
    """Stream that remembers its first failure, which a library may have swallowed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text to the stream."""
        return self._try(self._stream.write, text)

    def flush(self) -> None:
        """Flush the stream."""
        self._try(self._stream.flush)

    def _try(self, call: Callable[..., Any], *args: str) -> Any:
        try:
            return call(*args)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _say(message: str) -> None:
    print(f"haqagen: {message}", file=sys.stderr, flush=True)
