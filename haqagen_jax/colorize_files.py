"""Colour files: which ones, under which names, and what is said about them.

Files in (PNG, JPEG, TIFF), files out with the same extension and bit depth. A file that fails is
one line on stderr and does not stop the others. Not handled: sub-folders, resuming, images larger
than memory.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.progress import TaskID

from haqagen_jax import api, imageio, paper
from haqagen_jax.console import bars, complain
from haqagen_jax.errors import InputError, printable
from haqagen_jax.inference.colorizer import Colorizer, Progress
from haqagen_jax.inference.postprocess import known_depth, output_dtype
from haqagen_jax.selection import Selection, plan_outputs, select


def colorize_files(
    inputs: Sequence[str],
    out: str,
    model: str | None = None,
    *,
    tile: int = paper.PATCH,
    stride: int = paper.STRIDE,
    batch: int | None = None,
    consistent: bool = True,
    overwrite: bool = False,
    progress: bool = True,
) -> int:
    """Colours files and prints a summary.

    Args:
        inputs: files, folders (their images, not their sub-folders) or globs.
        out: a folder; or a file name with an image extension when there is one input file.
        model: see `haqagen_jax.load`.
        tile: see `haqagen_jax.load`.
        stride: see `haqagen_jax.load`.
        batch: see `haqagen_jax.load`.
        consistent: see `haqagen_jax.load`.
        overwrite: replace outputs that exist.
        progress: show bars on stderr.

    Returns:
        The exit status: 0 when every file was coloured, else 1.

    Raises:
        InputError: before any work: nothing to do, two inputs for one output, an output that is
            an input, an output folder that cannot be made or written into, or a model that cannot
            be loaded.
    """
    selection = select(inputs)
    jobs = plan_outputs(selection.files, Path(out))
    colorizer = api.load(model, tile=tile, stride=stride, batch=batch, consistent=consistent)
    for folder in {target.parent for _, target in jobs}:
        imageio.prepare_folder(folder)
    for line in selection.refused:
        complain(line)
    start, pixels, failed = time.perf_counter(), 0, len(selection.refused)
    with bars(progress) as display:
        files = display.add_task("files", total=len(jobs))
        for source, target in jobs:
            tiles = display.add_task(printable(source.name), total=None)

            def advance(done: int, total: int, task: TaskID = tiles) -> None:
                display.update(task, completed=done, total=total)

            try:
                pixels += _colorize_file(source, target, colorizer, overwrite, advance)
            except InputError as error:
                failed += 1
                complain(str(error), display.console)
            display.remove_task(tiles)
            display.advance(files)
    seconds = time.perf_counter() - start
    done = len(jobs) + len(selection.refused) - failed
    print(_summary(selection, done, failed, pixels, seconds, out))
    sys.stdout.flush()
    return 1 if failed else 0


def _colorize_file(
    source: Path, target: Path, model: Colorizer, overwrite: bool, progress: Progress
) -> int:
    """Colours one file and returns its number of pixels."""
    if os.path.isdir(target):
        raise InputError(f"{target}: is a folder; choose another output")
    if os.path.lexists(target) and not overwrite:
        raise InputError(f"{target}: exists; add --overwrite or choose another folder")
    nir = imageio.read_nir(source)
    try:
        nir = known_depth(nir)
        imageio.check_depth(target, output_dtype(nir.dtype))
        rgb = model.colorize(nir, progress=progress)
    except MemoryError:
        raise InputError(
            f"{source}: {nir.shape[0]}x{nir.shape[1]} pixels do not fit into memory; cut it up"
        ) from None
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    imageio.write(target, rgb)
    return nir.size


def _summary(
    selection: Selection, done: int, failed: int, pixels: int, seconds: float, out: str
) -> str:
    megapixels = pixels / 1e6
    text = (
        f"{done} coloured, {failed} failed; {megapixels:.2f} megapixels in {seconds:.1f} s "
        f"({megapixels / max(seconds, 1e-9):.3f} megapixels/s); {printable(out)}"
    )
    if selection.beside:
        text += f"\n{selection.beside} images beside *_nir ones were left alone (a data set)"
    if selection.other:
        text += f"\n{selection.other} files that are not images were skipped"
    return text
