"""Look at every pair of a data set: a table on the terminal, a page with thumbnails beside it."""

from pathlib import Path

from haqagen_jax.data import built, folder
from haqagen_jax.data.inspection.measure import duplicates, measure
from haqagen_jax.data.pair import Pair, check_pair
from haqagen_jax.data.split import SPLITS, split_of
from haqagen_jax.errors import InputError, reachable
from haqagen_jax.system.console import bars
from haqagen_jax.system.files import prepare_folder


def inspect(directory: str, out: str, *, progress: bool = True) -> int:
    """Inspects a data set and reports.

    Args:
        directory: folder of pairs, or a data set that was built.
        out: HTML file to write.
        progress: show a bar on stderr.

    Returns:
        The exit status: 0, or 1 when there are faults or duplicates across splits.

    Raises:
        InputError: nothing to inspect, or the page cannot be written.
    """
    with reachable():
        if Path(out).is_dir():  # before the work
            raise InputError(
                f"--out {out}: is a folder; name the page, as {Path(out, 'page.html')}"
            )
        prepare_folder(Path(out).parent)
        pairs, faults = _list(Path(directory))
    # Imported here: a directory that is refused should not wait for matplotlib.
    from haqagen_jax.data.inspection import page

    measures, thumbnails = [], []
    with bars(progress) as display:
        task = display.add_task("pairs", total=len(pairs))
        for split, pair in pairs:
            try:
                nir, rgb = check_pair(pair.encoded())
            except InputError as error:
                faults.append(str(error))
            else:
                measures.append(measure(pair.name, split, nir, rgb))
                thumbnails.append(page.thumbnail(nir, rgb))
            display.advance(task)
    couples = duplicates(measures)
    page.write(Path(out), directory, measures, faults, couples, thumbnails)
    print(page.text(measures, faults, couples))
    print(f"\npage: {out}")
    return 1 if faults or couples else 0


def _list(directory: Path) -> tuple[list[tuple[str, Pair]], list[str]]:
    """Every pair with its split, and the names that are no pairs."""
    if built.is_built(directory):
        pairs = [(split, pair) for split in SPLITS for pair in built.split_pairs(directory, split)]
        return list(pairs), []
    found = folder.scan(directory)
    faults = [
        f"{problem.text} ({problem.kind})" for one in found.values() for problem in one.problems
    ]
    listed: list[tuple[str, Pair]] = [
        (split or split_of(pair.scene), pair) for split, one in found.items() for pair in one.pairs
    ]
    return listed, faults
