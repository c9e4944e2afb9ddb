"""Inspect every pair of a data set: a table on the terminal, and a page with thumbnails."""

from pathlib import Path

from haqagen_jax.data import built, folder
from haqagen_jax.data.inspection.measure import duplicates, measure
from haqagen_jax.data.pair import Pair, check_pair
from haqagen_jax.data.split import SPLITS, split_of
from haqagen_jax.errors import InputError, reachable
from haqagen_jax.system.console import bars
from haqagen_jax.system.files import prepare_folder


def inspect(directory: str, out: str, *, progress: bool = True) -> int:
    """Inspect a data set, print a table and write a page.

    Args:
        directory: A folder of pairs, or a data set that was built.
        out: Path of the HTML file to write.
        progress: Show a progress bar on stderr.

    Returns:
        The exit status: 0, or 1 when there are faults or duplicates across splits.

    Raises:
        InputError: Nothing to inspect, or the page cannot be written.
    """
    with reachable():
        if Path(out).is_dir():  # checked before the work that may take minutes
            raise InputError(
                f"--out {out}: is a folder; name the page, as {Path(out, 'page.html')}"
            )
        prepare_folder(Path(out).parent)
        pairs, faults = _list(Path(directory))
    # Imported here: a directory that is refused should not wait for matplotlib.
    from haqagen_jax.data.inspection import page

    measures, thumbnails, cuts = [], [], []
    with bars(progress) as display:
        task = display.add_task("pairs", total=len(pairs))
        for split, pair in pairs:
            try:
                nir, rgb, cut = check_pair(pair.encoded())
            except InputError as error:
                faults.append(str(error))
            else:
                measures.append(measure(pair.name, split, nir, rgb))
                thumbnails.append(page.thumbnail(nir, rgb))
                if cut is not None:
                    cuts.append(f"{split}/{pair.name}: {cut}")
            display.advance(task)
    couples = duplicates(measures)
    findings = page.Findings(faults, cuts, couples)
    page.write(Path(out), directory, measures, findings, thumbnails)
    print(page.text(measures, findings))
    print(f"\npage: {out}")
    return 1 if faults or couples else 0


def _list(directory: Path) -> tuple[list[tuple[str, Pair]], list[str]]:
    """Return every pair with its split, and a line for each name that is not a sound pair."""
    if built.is_built(directory):
        pairs = [(split, pair) for split in SPLITS for pair in built.split_pairs(directory, split)]
        return list(pairs), []
    parts = folder.scan(directory)
    faults = [
        f"{problem.text} ({problem.kind})" for part in parts.values() for problem in part.problems
    ]
    listed: list[tuple[str, Pair]] = [
        (split or split_of(pair.scene), pair)
        for split, part in parts.items()
        for pair in part.pairs
    ]
    return listed, faults
