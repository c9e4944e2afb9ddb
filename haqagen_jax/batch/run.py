"""Color files: select, open, color, write, and report each.

Files in, files out with the same bit depth and, where it can be written, extension. A file that
fails is one line on stderr and does not stop the others; one that is finished is never lost.
"""

import contextlib
import dataclasses
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from pathlib import Path

from rich.progress import Progress, TaskID

from haqagen_jax import api
from haqagen_jax.batch.keep import Keep
from haqagen_jax.batch.output import Outputs
from haqagen_jax.batch.report import Outcome, Record, failure_line
from haqagen_jax.batch.select import Rules, conflicts, plan_outputs, select
from haqagen_jax.batch.stretch import Stretch, shared_stretch, stretch_line
from haqagen_jax.errors import InputError, located, printable
from haqagen_jax.images import files as image_files
from haqagen_jax.images.sink import Abandoned, FileSink, Writers
from haqagen_jax.images.source import Opened, open_images
from haqagen_jax.images.stack import StackFile
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.job import Job
from haqagen_jax.inference.settings import Settings
from haqagen_jax.system.console import bars, complain
from haqagen_jax.system.files import prepare_folder, remove_parts
from haqagen_jax.system.prefetch import prefetch

_PLAIN = Rules()
_ALL = Keep()


def colorize_files(
    inputs: Sequence[str],
    out: str,
    model: str | None = None,
    settings: Settings = api.DEFAULT,
    rules: Rules = _PLAIN,
    *,
    report: str | None = None,
    progress: bool = True,
    keep: Keep = _ALL,
) -> int:
    """Color files and print a summary.

    Args:
        inputs: Files, folders (their images and those of their sub-folders) or globs.
        out: A folder; or a file name with an image extension when there is one input file.
        model: See `haqagen_jax.load`.
        settings: See `haqagen_jax.load`.
        rules: Which files are read, and which outputs overwritten.
        report: A JSON file that lists every file; written also when the run is interrupted.
        progress: Whether to show bars on stderr.
        keep: What the outputs take over besides pixels.

    Returns:
        The exit status: 0 when every file was colored, else 1.

    Raises:
        InputError: Before any work: nothing to do, an output folder that cannot be made or written
            into, or a model that cannot be loaded.
    """
    selection = select(inputs, out, rules.suffix)
    which, of = rules.share
    jobs = plan_outputs(selection.files, Path(out), selection.roots, rules.suffix)
    if rules.stretch_from is not None:
        image_files.read_size(rules.stretch_from)  # refused before the model is loaded
    colorizer = api.load(model, settings)
    record = Record(selection, jobs[which::of], conflicts(jobs))
    record.prepare_folders(Path(out))
    stretch = shared_stretch(colorizer, selection.files, rules)
    if stretch is not None and (line := stretch_line(colorizer, stretch.preparation)):
        complain(f"{stretch.place}{' and others' if rules.shared_stretch else ''}: {line}")
    chosen = {"model": colorizer.name, "settings": dataclasses.asdict(settings)}
    report_path = None if report is None else _own_report(Path(report), rules)
    if report_path is not None:
        prepare_folder(report_path.parent)
    for line in record.failures:
        complain(line)
    try:
        color(colorizer, record.left, rules, progress=progress, keep=keep, stretch=stretch)
    finally:
        if report_path is not None:
            record.write(report_path, chosen)
    print(record.summary(out))
    sys.stdout.flush()
    return 1 if record.count("failed") else 0


def color(
    model: Colorizer,
    files: list[Outcome],
    rules: Rules = _PLAIN,
    *,
    progress: bool = True,
    keep: Keep = _ALL,
    stretch: Stretch | None = None,
) -> None:
    """Color files with a model that is loaded already.

    Args:
        model: A network or a baseline.
        files: One outcome for each file, updated in place; the output folders exist.
        rules: Which files are read, and which outputs overwritten; `share` and the stretches are
            not used.
        progress: Whether to show bars on stderr.
        keep: What the outputs take over besides pixels.
        stretch: The stretch of all files; None: each has its own.
    """
    with bars(progress) as display:
        run = _Run(model, rules, keep, display, files, stretch)
        try:
            run.color(files)
        finally:
            run.close()


class _Run:
    """The pipeline of one call: files are opened ahead, colored, and encoded behind.

    Errors of a file end in its `Outcome`, and stop no other.
    """

    def __init__(
        self,
        model: Colorizer,
        rules: Rules,
        keep: Keep,
        display: Progress,
        files: list[Outcome],
        stretch: Stretch | None,
    ) -> None:
        self._stretch = stretch
        self._model, self._rules, self._keep, self._display = model, rules, keep, display
        self._total = display.add_task("files", total=len(files))
        self._outputs = Outputs(files, rules.suffix)
        self._bars: dict[int, TaskID] = {}
        self._lock = threading.Lock()
        self._writers = Writers()
        self._sinks: list[FileSink | StackFile] = []

    def color(self, files: list[Outcome]) -> None:
        """Color the files, and wait until the last one is written."""
        with contextlib.closing(prefetch(self._jobs(files))) as jobs:
            self._model.run(jobs)
        wait([sink.saved for sink in self._sinks])

    def close(self) -> None:
        """Give up the files that are not finished, as after an interrupt; idempotent."""
        for sink in self._sinks:
            sink.abandon()
        self._writers.close()

    def _jobs(self, files: list[Outcome]) -> Iterator[Job]:
        for file in files:
            try:
                yield from self._open(file)
            except Exception as error:  # a file that fails must not stop the others
                self._end(file, error)

    def _open(self, file: Outcome) -> Iterator[Job]:
        source, planned = Path(file.input), Path(file.output or "")
        if self._is_kept(file, planned):
            return
        images = open_images(source, self._rules.max_pixels, self._rules.choice)
        with contextlib.closing(images):
            first = next(images)
            target = self._outputs.fitting(file, first.colors, first.count)
            if target != planned and self._is_kept(file, target):
                return
            file.height, file.width = first.source.height, first.source.width
            if first.count == 1:
                yield self._job(file, first, file.input)
            else:
                yield from self._stack(file, itertools.chain((first,), images))

    def _stack(self, file: Outcome, images: Iterator[Opened]) -> Iterator[Job]:
        """Color several images into one file."""
        stack = None
        try:
            for number, image in enumerate(images, 1):
                if stack is None:
                    target = Path(file.output or "")
                    stack = StackFile(Path(file.input), target, image.pixels, self._writers)
                    self._await(file, stack)
                yield self._job(file, image, f"{file.input}: page {number}", stack)
        except Exception as error:
            if stack is None:
                raise
            stack.fail(error)
        else:
            assert stack is not None
            stack.close()

    def _job(
        self, file: Outcome, opened: Opened, place: str, stack: StackFile | None = None
    ) -> Job:
        target = Path(file.output or "")
        header, nir, dtype, marking = opened[:4]
        size = nir.height, nir.width
        metadata = self._keep.from_header(header, target, self._model.name, self._display.console)
        shared = None
        if stack is None:
            sink = FileSink(header, target, size, dtype, self._writers, marking, metadata)
        else:
            sink = stack.page(header, size, dtype, marking, metadata)
        with located(place):
            if self._stretch is not None:
                nir, shared = self._stretch.source(opened), self._stretch.preparation
            job = self._model.job(
                nir,
                sink,
                self._bar(file),
                mosaic=header.carried.georeferenced,
                strict=self._rules.strict,
                preparation=shared,
            )
        line = stretch_line(self._model, job.preparation) if shared is None else None
        if job.constant is not None:
            line = (
                f"all pixels have the value {job.constant:.9g}; its colors are one gray (--strict "
                "refuses such images)"
            )
        if line is not None:
            complain(f"{place}: {line}", self._display.console)
        if stack is None:
            self._await(file, sink)
        return job

    def _await(self, file: Outcome, sink: FileSink | StackFile) -> None:
        self._sinks = [*(sink for sink in self._sinks if not sink.saved.done()), sink]
        sink.saved.add_done_callback(lambda saved: self._end(file, saved.exception()))

    def _is_kept(self, file: Outcome, target: Path) -> bool:
        """Tell whether a complete output is kept, and record it."""
        if not self._is_complete(Path(file.input), target):
            return False
        file.status = "complete"
        self._display.advance(self._total)
        return True

    def _is_complete(self, source: Path, target: Path) -> bool:
        """Tell whether a complete output is kept; refuse one that may not be overwritten."""
        if os.path.isdir(target):
            raise InputError(f"{target}: is a folder; choose another output")
        if self._rules.resume:
            remove_parts(target)
            # Without an output, opening the source says what is wrong with it.
            done = os.path.exists(target)
            number = self._rules.choice.first
            return done and image_files.is_complete(target, image_files.read_size(source, number))
        if os.path.lexists(target) and not self._rules.overwrite:
            raise InputError(
                f"{target}: exists; add --overwrite, or --resume, or choose another folder"
            )
        return False

    def _bar(self, file: Outcome) -> Callable[[int, int], None]:
        task = self._bars.get(id(file))  # of an earlier image of the file
        if task is None:
            task = self._display.add_task(printable(Path(file.input).name), total=None)
            self._bars[id(file)] = task

        def advance(done: int, total: int) -> None:
            with self._lock:
                if id(file) in self._bars:  # a writer may have ended it
                    self._display.update(task, completed=done, total=total)

        return advance

    def _end(self, file: Outcome, error: BaseException | None) -> None:
        """Record the outcome of a file; thread-safe."""
        if isinstance(error, Abandoned):
            return
        if error is None:
            file.status = "coloured"
        else:
            file.status, file.message = "failed", failure_line(file, error)
            complain(file.message, self._display.console)
        with self._lock:
            if (task := self._bars.pop(id(file), None)) is not None:
                self._display.remove_task(task)
        self._display.advance(self._total)


def _own_report(path: Path, rules: Rules) -> Path:
    """Return a path of its own for each process that shares the files."""
    which, of = rules.share
    return path if of == 1 else path.with_stem(f"{path.stem}.{which}")
