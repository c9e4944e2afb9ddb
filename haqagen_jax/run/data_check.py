"""Look at all images of a run in the background, before the turn of a faulty one comes.

One thread of the first process decodes every pair once, while the training goes on. Faults end the
run at the next step, with the list of all of them; what was trained is saved first.
"""

import threading
from collections.abc import Sequence
from types import TracebackType

from haqagen_jax.data.pair import Pair, check_pair
from haqagen_jax.errors import InputError, reason
from haqagen_jax.run.processes import is_first
from haqagen_jax.system.console import complain

WAIT = 300  # seconds that a run which has met a fault waits for the list of all
_LEAVE = 10  # seconds to finish the pair that is being looked at, when the run ends
_REMEDY = (
    "replace the files, and run the same command to go on; or leave these pairs out, with another "
    "--workdir"
)


class FaultyDataError(InputError):
    """Some pairs cannot be trained with; `faults` has a line for each."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        """Keep the message and the faults.

        Args:
            message: One line.
            faults: A line for each pair.
        """
        super().__init__(message)
        self.faults = tuple(faults)


class DataCheck:
    """Context in which another thread checks pairs; it neither outlives nor delays its end."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        """Plan the check.

        Args:
            pairs: All pairs of the splits that are used.
        """
        self._pairs = list(pairs)
        self._faults: dict[str, None] = {}
        self._seen = self._cropped = 0
        self._ended, self._leaving = threading.Event(), threading.Event()
        self._noted = False
        self._thread = threading.Thread(target=self._look, name="data check", daemon=True)

    def __enter__(self) -> "DataCheck":
        """Start, on the first process alone."""
        if is_first():
            self._thread.start()
        else:
            self._ended.set()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop looking."""
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVE)

    @property
    def failed(self) -> bool:
        """Whether all pairs have been looked at, and some are faulty."""
        return self._ended.is_set() and bool(self._faults)

    def note(self) -> str:
        """Say once how many pairs are cropped.

        Returns:
            A line when all pairs have been looked at and some are cropped; else "".
        """
        if self._noted or not self._ended.is_set():
            return ""
        self._noted = True
        if not self._cropped:
            return ""
        return (
            f"{self._cropped} of {len(self._pairs)} pairs are cropped to the part where both "
            "images hold data; `haqagen dataset inspect` lists them"
        )

    def failure(self, step: int) -> FaultyDataError:
        """List all faults on stderr, and make the error that ends the run.

        Args:
            step: The step that is saved; 0 for none.

        Returns:
            The error: a single fault, or their number.
        """
        saved = f"step {step} is saved" if step else "nothing is trained yet"
        if not self._faults:  # as on all processes but the first
            return FaultyDataError(f"faulty pairs, which the first process lists; {saved}")
        self.tell()
        looked = "" if self._ended.is_set() else f" of {self._seen} looked at so far"
        count = f"{len(self._faults)} of {len(self._pairs)} pairs are faulty{looked}"
        return FaultyDataError(f"{count}, see the lines above; {saved}; {_REMEDY}", [*self._faults])

    def tell(self) -> None:
        """Print a line for each fault that is known, on stderr."""
        for fault in list(self._faults):
            complain(fault)

    def explain(self, error: InputError, step: int) -> InputError:
        """Turn the error of one pair, met in training, into that of all.

        Waits for the check to end, `WAIT` seconds at most.

        Args:
            error: What the stream of batches raised.
            step: The step that is saved; 0 for none.

        Returns:
            See `failure`; the error itself where the check knows of no fault.
        """
        if not self._ended.is_set():
            left = len(self._pairs) - self._seen
            complain(f"a pair is faulty; {left} others are looked at before all faults are listed")
        self._ended.wait(WAIT)
        return self.failure(step) if self._faults else error

    def _look(self) -> None:
        for pair in self._pairs:
            if self._leaving.is_set():
                return
            try:
                self._cropped += check_pair(pair.encoded()).cut is not None
            except InputError as error:
                self._faults[str(error)] = None
            except Exception as error:  # whatever it is belongs to this pair
                self._faults[f"{pair.name}: {reason(error)}"] = None
            self._seen += 1
        self._ended.set()
