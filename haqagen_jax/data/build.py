"""Build a data set into ArrayRecord files, and say what was built."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

from haqagen_jax.data import built, catalog
from haqagen_jax.data.split import SPLITS
from haqagen_jax.errors import InputError
from haqagen_jax.imageio import prepare_folder

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
    """Builds one data set.

    Args:
        name: one of `NAMES`.
        out: directory for data sets; this one goes to OUT/NAME/VERSION.
        raw: where the originals were unpacked; for all but "synthetic".
        skip_corrupt: leave out pairs that cannot be decoded, and list them, instead of stopping.
        partial: of a published set, build what is there.
        overwrite: replace a data set of that name.
        count: of "synthetic", how many scenes, at least 10.
        size: of "synthetic", (height, width).
        seed: of "synthetic", of the first scene; the others follow it by ones.

    Returns:
        The directory of the data set.

    Raises:
        InputError: missing, mismatched, incomplete or undecodable originals, an empty split, or a
            data set that exists; nothing is left behind.
    """
    if name not in NAMES:
        raise InputError(f"{name}: no such data set; choose one of {', '.join(NAMES)}")
    if name == "synthetic" and count < 10:
        raise InputError(f"--count {count}: must be 10 or more, so that no split is empty")
    # Here, because the import takes a second that no other command should wait for.
    import tensorflow_datasets as tfds

    from haqagen_jax.data import builders

    out = Path(out)
    target = out / name / str(builders.PairBuilder.VERSION)
    if target.exists() and not overwrite:
        raise InputError(f"{target}: exists; give --overwrite to replace it")
    if name != "synthetic" and (raw is None or not Path(raw).is_dir()):
        raise InputError(f"--raw {raw}: must be the folder that {name}'s originals are in")
    prepare_folder(out)
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out) as scratch:
        options: dict[str, Any] = {"data_dir": scratch, "skip_corrupt": skip_corrupt}
        if name == "synthetic":
            builder = builders.Synthetic(count=count, size=size, seed=seed, **options)
        elif name == "pairs":
            builder = builders.Pairs(**options)
        else:
            builder = builders.PUBLISHED[name](partial=partial, **options)
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(
                download_dir=f"{scratch}/downloads",
                # Rendered scenes have no originals, but an empty directory is refused.
                download_config=tfds.download.DownloadConfig(manual_dir=str(raw or out)),
            )
        target.parent.mkdir(exist_ok=True)
        if target.exists():
            target.rename(f"{scratch}/old")
        Path(builder.data_dir).rename(target)
    return target


def report(target: Path) -> str:
    """Says what a build has made.

    Args:
        target: the directory of a data set.

    Returns:
        Lines: the number of pairs by split, those that were skipped, and how to go on.
    """
    counts = {split: len(built.split_pairs(target, split)) for split in SPLITS}
    skipped = built.skipped(target)
    lines = [f"{split:6}{number:6,} pairs" for split, number in counts.items()]
    if skipped:
        lines += [f"{len(skipped)} skipped:", *(f"  {line}" for line in skipped)]
    return "\n".join([*lines, f"train with: haqagen train --data {target} ..."])
