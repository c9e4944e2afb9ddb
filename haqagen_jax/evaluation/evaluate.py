"""Score models on pairs, baselines beside them: tables, every image's values, a page to look at.

Predictions are the model's own float32 colors, neither rounded to 8 bits nor seen by an image
file. Metrics are taken in sRGB (as published evaluations do) and in linear light (the paper's
protocol), per image at the size it has, and averaged over images.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from haqagen_jax import api
from haqagen_jax.config.model_name import NAMES
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import results, scoring, tables
from haqagen_jax.evaluation.choices import MODES
from haqagen_jax.inference.settings import Settings
from haqagen_jax.system.console import complain


def evaluate(
    data: str,
    models: Sequence[str] = NAMES,
    *,
    split: str | None = None,
    modes: Sequence[str] = MODES[:1],
    lpips: str | None = None,
    out: str | None = None,
    settings: Settings = api.DEFAULT,
    overwrite: bool = False,
    progress: bool = True,
) -> int:
    """Scores models on the same pairs and prints their means side by side.

    Args:
        data: folder of pairs, or a data set that was built.
        models: names or directories, see `haqagen_jax.load`.
        split: train, val or test of it; None for a folder that has no splits.
        modes: some of `haqagen_jax.evaluation.choices.MODES`.
        lpips: "alex", "vgg" or "none"; None: alex if its weights are in the cache.
        out: folder for `FILES`: every image's values, the sums as JSON, Markdown and LaTeX, and a
            page; None writes nothing.
        settings: see `haqagen_jax.load`.
        overwrite: replace files of these names in `out`.
        progress: show bars on stderr.

    Returns:
        The exit status: 0 when every pair was scored, else 1; a pair that fails is one line on
        stderr and counts for no model.

    Raises:
        InputError: no pairs, a model that cannot be loaded, LPIPS weights that are asked for and
            not there, results that exist or cannot be written, or no pair that could be scored.
    """
    pairs, problems = usable_pairs(data, split)
    distance = scoring.perceptual(lpips)
    subjects = scoring.entries(models, modes, settings)
    if out is not None:
        results.prepare(Path(out), overwrite=overwrite)
    for problem in problems:
        complain(problem)
    found = scoring.score(subjects, pairs, distance, progress=progress)
    done, total = len(found.truth), len(pairs) + len(problems)
    if not done:
        raise InputError(f"{data}: none of its {total} pairs could be scored; mend what is named")
    summaries = found.summaries
    noun = "pair" if done == 1 else "pairs"
    print(f"{printable(data)}: means over {done} {noun}\n\n{tables.text(summaries)}")
    truth = statistics.fmean(found.truth.values())
    print(f"The true pictures have a colourfulness of {truth:.1f}.")
    if distance is None and lpips is None:
        print(scoring.no_lpips())
    if out is not None:
        results.write(Path(out), found, results.facts(data, split, found, settings))
    return 0 if done == total else 1
