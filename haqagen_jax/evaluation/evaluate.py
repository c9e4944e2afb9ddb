"""Score models on pairs, baselines beside them: tables, every image's values, a page to look at.

Predictions are the model's own float32 colors: they are neither rounded to 8 bits nor written to an
image file first. Metrics are computed in sRGB (as published evaluations do) and in linear light
(the paper's protocol), per image at its own size, and averaged over images.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

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
    settings: Settings = scoring.PROTOCOL,
    overwrite: bool = False,
    progress: bool = True,
) -> int:
    """Score models on the same pairs and print their means side by side.

    Args:
        data: Folder of pairs, or a data set that was built.
        models: Names or directories, see `haqagen_jax.load`.
        split: "train", "val" or "test"; None for a folder that has no splits.
        modes: Some of `haqagen_jax.evaluation.choices.MODES`.
        lpips: "alex", "vgg" or "none"; None: "alex" if its weights are in the cache.
        out: Directory for `results.FILES`: every image's values, the summary as JSON, Markdown and
            LaTeX, and a page; None writes nothing.
        settings: See `haqagen_jax.load`.
        overwrite: Replace files of these names in `out`.
        progress: Show progress bars on stderr.

    Returns:
        The exit status: 0 when every pair was scored, else 1. A pair that fails is one line on
        stderr and counts for no model.

    Raises:
        InputError: If there are no pairs, a model cannot be loaded, LPIPS weights are asked for and
            missing, results exist or cannot be written, or no pair could be scored.
    """
    pairs, problems = usable_pairs(data, split)
    distance = scoring.load_perceptual(lpips)
    loaded = scoring.load_models(models, modes, settings)
    if out is not None:
        results.prepare(Path(out), overwrite=overwrite)
    for problem in problems:
        complain(problem)
    evaluation = scoring.score(loaded, pairs, distance, progress=progress)
    done, total = len(evaluation.truth), len(pairs) + len(problems)
    if not done:
        raise InputError(f"{data}: none of its {total} pairs could be scored; mend what is named")
    summaries = evaluation.summaries
    noun = "pair" if done == 1 else "pairs"
    print(f"{printable(data)}: means over {done} {noun}\n\n{tables.text(summaries)}")
    if evaluation.cropped:
        count = len(evaluation.cropped)
        print(f"{count} of them cropped to the part where both images hold data.")
    truth = statistics.fmean(evaluation.truth.values())
    print(f"The true pictures have a colourfulness of {truth:.1f}.")
    if distance is None and lpips is None:
        print(scoring.missing_lpips_message())
    if out is not None:
        results.write(Path(out), evaluation, results.facts(data, split, evaluation, settings))
    return 0 if done == total else 1
