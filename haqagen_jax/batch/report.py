"""The outcome of every file of a run, for the summary, the exit status and the JSON report."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from haqagen_jax.batch.select import Selection
from haqagen_jax.errors import InputError, printable, reason
from haqagen_jax.system import strict_json
from haqagen_jax.system.files import prepare_folder, write_bytes
from haqagen_jax.version import __version__

Status = Literal["coloured", "complete", "failed", "left"]


@dataclasses.dataclass
class Outcome:
    """The outcome of one file.

    Attributes:
        input: The path as it was named or found; a folder that could not be listed counts as a
            file.
        output: The path of its colors; None where that is not known.
        status: "coloured" now, "complete" before this run, "failed", or "left" when the run ended
            before it.
        message: Why it failed.
        height, width: Pixels, where known.
    """

    input: str
    output: str | None
    status: Status = "left"
    message: str | None = None
    height: int | None = None
    width: int | None = None


class Record:
    """The outcomes of a run, whose clock starts when the record is made.

    Attributes:
        files: One outcome for each file to color, in order.
        refused: One outcome for each folder that could not be listed or holds no image.
    """

    def __init__(
        self,
        selection: Selection,
        jobs: Sequence[tuple[Path, Path]],
        faults: Mapping[Path, str] | None = None,
    ) -> None:
        """Begin with all files "left".

        Args:
            selection: The selected files; its refused folders have failed already.
            jobs: (input, output) of each file.
            faults: For each input that must not be colored, a line that says why.
        """
        self._start = time.perf_counter()
        self._selection = selection
        self.files = [Outcome(str(source), str(target)) for source, target in jobs]
        self.refused = [
            Outcome(path, None, "failed", message) for path, message in selection.refused
        ]
        for file, (source, _) in zip(self.files, jobs, strict=True):
            if faults and source in faults:
                file.status, file.message = "failed", faults[source]

    @property
    def left(self) -> list[Outcome]:
        """The files that are still to be colored."""
        return [file for file in self.files if file.status == "left"]

    @property
    def failures(self) -> list[str]:
        """The lines of all that has failed."""
        files = (*self.refused, *self.files)
        return [file.message or "" for file in files if file.status == "failed"]

    def prepare_folders(self, out: Path) -> None:
        """Make the folders of the files that are left; those without a folder fail.

        Args:
            out: The output folder; or the output file, if there is one input.

        Raises:
            InputError: No file can be written into the output folder.
        """
        faults: dict[Path, str] = {}
        folders = {Path(file.output or "").parent for file in self.left}
        if folders:
            prepare_folder(out.parent if Path(self.left[0].output or "") == out else out)
        for folder in sorted(folders - {out}):
            try:
                prepare_folder(folder)
            except InputError as error:
                faults[folder] = str(error)
        for file in self.left:
            if (fault := faults.get(Path(file.output or "").parent)) is not None:
                file.status, file.message = "failed", f"{printable(file.input)}: {fault}"

    def count(self, status: Status) -> int:
        """Count the files, and the refused folders, of a status.

        Args:
            status: One of the four.

        Returns:
            Their number.
        """
        return sum(file.status == status for file in (*self.refused, *self.files))

    def summary(self, out: str) -> str:
        """Summarize the run.

        Args:
            out: The name of the output folder or file.

        Returns:
            A line with the counts and the throughput, and one for each kind of file that was
            skipped.
        """
        seconds = time.perf_counter() - self._start
        megapixels = self._pixels() / 1e6
        complete = self.count("complete")
        text = (
            f"{self.count('coloured')} colored, "
            + (f"{complete} complete before, " if complete else "")
            + f"{self.count('failed')} failed; {megapixels:.2f} megapixels in {seconds:.1f} s "
            f"({megapixels / max(seconds, 1e-9):.3f} megapixels/s); {printable(out)}"
        )
        if self._selection.beside:
            text += (
                f"\n{self._selection.beside} images beside *_nir ones were left alone (a data set)"
            )
        if self._selection.written:
            text += f"\n{self._selection.written} images that an earlier run wrote were left alone"
        if self._selection.other:
            text += f"\n{self._selection.other} files that are not images were skipped"
        return text

    def write(self, path: Path, settings: dict[str, Any]) -> None:
        """Write the report.

        Args:
            path: A JSON file, replaced if it exists.
            settings: The settings of the run, stored as they are.

        Raises:
            InputError: It cannot be written.
        """
        statuses: tuple[Status, ...] = ("coloured", "complete", "failed", "left")
        report = {
            "version": __version__,
            **settings,
            **{status: self.count(status) for status in statuses},
            "megapixels": self._pixels() / 1e6,
            "seconds": time.perf_counter() - self._start,
            "files": [dataclasses.asdict(file) for file in (*self.refused, *self.files)],
        }
        write_bytes(path, (strict_json.dumps(report, indent=2) + "\n").encode())

    def _pixels(self) -> int:
        colored = [file for file in self.files if file.status == "coloured"]
        return sum((file.height or 0) * (file.width or 0) for file in colored)


def failure_line(file: Outcome, error: BaseException) -> str:
    """Say why a file is not colored.

    Args:
        file: The outcome of the file.
        error: What was raised.

    Returns:
        One line that begins with the file's name.
    """
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        size = f"{file.height}x{file.width} pixels do" if file.height else "does"
        return f"{printable(file.input)}: {size} not fit into memory; cut it up"
    cause = f"{type(error).__name__}: {reason(error)}"
    return f"{printable(file.input)}: cannot be colored ({cause}); please report it"
