"""One stretch for many files, fitted to one of them or to all, and what outliers do to it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from haqagen_jax.batch.select import Rules
from haqagen_jax.errors import InputError, located
from haqagen_jax.images.levels import values
from haqagen_jax.images.source import Opened, open_nir
from haqagen_jax.images.stream import Source, ValidBlocks, ValueSource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.nir.network_input import is_robust
from haqagen_jax.nir.outliers import outlier_line
from haqagen_jax.nir.preparation import Preparation


class Stretch(NamedTuple):
    """A stretch that several files share.

    Attributes:
        preparation: Fitted to the pixels of one file, or of all.
        dtype: Of the pixels of these files, as they are stored.
        place: The file that it was fitted to, or the first of them.
    """

    preparation: Preparation
    dtype: np.dtype
    place: str

    def source(self, opened: Opened) -> Source:
        """Return the pixels of a file as the preparation takes them.

        Args:
            opened: The file.

        Returns:
            A source of the type that the preparation was fitted to.

        Raises:
            InputError: Its pixels have another type. The message does not name the file.
        """
        dtype = opened.stored.dtype
        if dtype != self.dtype:
            raise InputError(
                f"its pixels are {dtype}, and those of {self.place}, whose stretch it is to have, "
                f"are {self.dtype}; color it by itself, or convert it"
            )
        return ValueSource(opened.stored)


def shared_stretch(model: Colorizer, files: Sequence[Path], rules: Rules) -> Stretch | None:
    """Fit the stretch that the rules ask for.

    Args:
        model: Says how images are prepared.
        files: All files of the run, of which those that can be read count.
        rules: See `haqagen_jax.batch.select.Rules`.

    Returns:
        The stretch; None where each file has its own, and where no file has any contrast.

    Raises:
        InputError: The file that the stretch is to be taken from cannot be read, or has no
            contrast.
    """
    if rules.stretch_from is not None:
        path = Path(rules.stretch_from)
        opened = _open(path, rules)
        with located(path):
            return _fitted(model, opened.stored.dtype, [path], rules)
    if not rules.shared_stretch:
        return None
    for path in files:
        try:
            dtype = _open(path, rules).stored.dtype
        except InputError:  # it is told when its turn comes
            continue
        try:
            return _fitted(model, dtype, files, rules, first=path)
        except InputError:  # constant, or without data: each file is told for itself
            return None
    return None


def stretch_line(model: Colorizer, preparation: Preparation) -> str | None:
    """Say what a few outliers do to the stretch of a file.

    Args:
        model: Its settings say which stretch was asked for.
        preparation: Of the file.

    Returns:
        A line that does not name the file; None where there is nothing to say.
    """
    robust = is_robust(model.config.data, model.settings.stretch)
    return outlier_line(preparation.tails, preparation.percentiles, robust=robust)


def _fitted(
    model: Colorizer,
    dtype: np.dtype,
    files: Sequence[Path],
    rules: Rules,
    first: Path | None = None,
) -> Stretch:
    def blocks() -> Iterator[np.ndarray]:
        for source in _sources(files, rules):
            if source.dtype == dtype:
                yield from ValidBlocks(ValueSource(source))()

    known = values(np.empty(0, dtype)).dtype
    return Stretch(model.fit(blocks, known), dtype, str(first or files[0]))


def _sources(files: Sequence[Path], rules: Rules) -> Iterable[Source]:
    """Open the files one after another, so that memory holds one of them."""
    for path in files:
        try:
            yield _open(path, rules).stored
        except InputError:
            continue


def _open(path: Path, rules: Rules) -> Opened:
    return open_nir(path, rules.max_pixels, rules.choice)
