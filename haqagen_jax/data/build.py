"""Build a data set of ArrayRecord files, and report what was built."""

import contextlib
import functools
import io
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from haqagen_jax.data import built, catalog
from haqagen_jax.data.split import SPLITS
from haqagen_jax.errors import InputError, reachable
from haqagen_jax.system.files import prepare_folder

LARGEST = 100_000_000  # pixels that a rendered scene may have
NAMES = (*catalog.SETS, "pairs", "synthetic")


def build(
    name: str,
    out: str | Path,
    *,
    raw: str | Path | None = None,
    skip_corrupt: bool = False,
    partial: bool = False,
    overwrite: bool = False,
    count: int = 100,
    size: tuple[int, int] = (384, 512),
    seed: int = 0,
) -> Path:
    """Build one data set; a build that fails leaves nothing behind and replaces nothing.

    Args:
        name: one of `NAMES`.
        out: Directory of all data sets; this one goes to OUT/NAME/VERSION.
        raw: Directory that the originals were unpacked into; for all but "synthetic".
        skip_corrupt: Leave out pairs that cannot be decoded, and list them, instead of stopping.
        partial: Build what is there of a published set that is not whole.
        overwrite: Replace an existing data set of that name.
        count: Number of scenes of "synthetic", at least 10.
        size: (height, width) in pixels of the scenes of "synthetic".
        seed: Seed of the first scene of "synthetic"; the others follow it by ones.

    Returns:
        The directory of the data set.

    Raises:
        InputError: Missing, mismatched, incomplete or undecodable originals, an empty split, or a
            data set that exists.
    """
    if name not in NAMES:
        raise InputError(f"{name}: no such data set; choose one of {', '.join(NAMES)}")
    out = Path(out)
    with reachable():
        if name == "synthetic":
            _require_scenes(count, size, seed)
        else:
            _require_originals(name, raw, out)
        options: dict[str, Any] = {"skip_corrupt": skip_corrupt}
        # Here, because the import takes a second that no other command should wait for.
        from haqagen_jax.data import builders

        if name == "synthetic":
            builder = functools.partial(builders.Synthetic, count=count, size=size, seed=seed)
        elif name == "pairs":
            builder = builders.Pairs
        else:
            builder = functools.partial(builders.PUBLISHED[name], partial=partial)
        target = out / name / str(builders.PairBuilder.VERSION)
        if target.exists() and not overwrite:
            raise InputError(f"{target}: exists; give --overwrite to replace it")
        prepare_folder(out)
        # Rendered scenes have no originals, but a directory must be named.
        originals = out if raw is None or name == "synthetic" else Path(raw)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=out) as scratch:
            _build(functools.partial(builder, data_dir=scratch, **options), originals, scratch)
            (finished,) = Path(scratch).glob(f"*/{builders.PairBuilder.VERSION}")
            _install(finished, target, Path(scratch), overwrite=overwrite)
    return target


def _build(make_builder: Callable[[], Any], originals: Path, scratch: str) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        make_builder().download_and_prepare(
            download_dir=f"{scratch}/downloads",
            download_config=tfds.download.DownloadConfig(manual_dir=str(originals)),
        )


def _install(finished: Path, target: Path, scratch: Path, *, overwrite: bool) -> None:
    """Move a finished data set to its path, and put the one it replaces back if that fails."""
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        finished.rename(target)
    elif not overwrite:  # a concurrent build was faster
        raise InputError(f"{target}: exists by now; give --overwrite to replace it")
    else:
        old = target.rename(scratch / "old")
        try:
            finished.rename(target)
        except BaseException:
            old.rename(target)
            raise
    built.forget()


def _require_scenes(count: int, size: tuple[int, int], seed: int) -> None:
    if count < 10:
        raise InputError(f"--count {count}: must be 10 or more, so that no split is empty")
    if seed < 0:
        raise InputError(f"--seed {seed}: must be 0 or more")
    if size[0] * size[1] > LARGEST:
        raise InputError(
            f"--size {size[0]}x{size[1]}: must be at most {LARGEST:,} pixels; a scene is rendered "
            "in memory"
        )


def _require_originals(name: str, raw: str | Path | None, out: Path) -> None:
    if raw is None or not Path(raw).is_dir():
        given = "is needed" if raw is None else f"{raw}: is no folder"
        raise InputError(f"--raw {given}; give the folder that the originals of {name} are in")
    if not any(Path(raw).iterdir()):
        raise InputError(f"--raw {raw}: is empty; put the originals of {name} there")
    if built.is_built(raw):
        raise InputError(f"--raw {raw}: holds a data set that was built; give its originals")
    if Path(raw).resolve() == out.resolve():
        raise InputError(f"--out {out}: is the folder of the originals; give another")


def report(target: Path) -> str:
    """Report what a build has made.

    Args:
        target: The directory of a data set.

    Returns:
        Lines: the number of pairs by split, those that were skipped, and how to go on.
    """
    published = catalog.SETS.get(target.parent.name)
    lines = []
    for split in SPLITS:
        line = f"{split:6}{len(built.split_pairs(target, split)):6,} pairs"
        lines.append(line if published is None else f"{line} of {published.counts[split]:,}")
    skipped = built.skipped(target)
    if skipped:
        lines += [f"{len(skipped)} skipped:", *(f"  {line}" for line in skipped)]
    return "\n".join([*lines, f"train with: haqagen train --data {shlex.quote(str(target))} ..."])
