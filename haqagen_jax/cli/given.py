"""Refuse what names nothing, before the imports that take seconds: jax is not loaded here."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from haqagen_jax.batch.select import Rules


def require_data(directories: Iterable[str]) -> None:
    """Refuse data directories that do not exist.

    Args:
        directories: Folders or CSV files.

    Raises:
        InputError: One does not exist, or is another file.
    """
    from haqagen_jax.data import layouts

    for directory in directories:
        layouts.require_data(directory)


def nothing_to_color(inputs: Sequence[str], out: str, rules: "Rules") -> bool:
    """Tell whether none of the files to color exists, and say so of each as coloring would.

    Args:
        inputs: Files, folders or globs.
        out: A folder, or a file name.
        rules: Which files are read, and which outputs overwritten.

    Returns:
        Whether nothing is left to do.

    Raises:
        InputError: No input, two inputs for one output, or an output that is an input.
    """
    from haqagen_jax.batch.missing import complain_of_missing

    return complain_of_missing(inputs, out, rules)
