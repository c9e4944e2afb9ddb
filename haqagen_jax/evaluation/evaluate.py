"""Score models on a folder of pairs, baselines beside them.

Predictions are the model's own float32 colours, neither rounded to 8 bits nor seen by an image
file. Metrics are taken in sRGB (as published evaluations do) and in linear light (the paper's
protocol), per image, and averaged over images. Not handled: LPIPS, seam energy.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax import api, metrics
from haqagen_jax.console import bars, complain
from haqagen_jax.data.folder import usable_pairs
from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.errors import InputError, printable
from haqagen_jax.evaluation import tables
from haqagen_jax.evaluation.tables import Scores
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings
from haqagen_jax.ops.color import srgb_to_linear

# Compiled one by one: sizes differ from image to image, and one large program compiles far slower.
_METRICS: dict[str, Callable[..., Array]] = {
    "PSNR": jax.jit(metrics.psnr),
    "SSIM": jax.jit(metrics.ssim),
    "AE": jax.jit(metrics.angular_error),
}
_to_linear = jax.jit(srgb_to_linear)


def evaluate(
    data: str,
    models: Sequence[str] = api.NAMES,
    *,
    split: str | None = None,
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
        out: folder for `scores.csv` (every image) and `summary.json` and `table.md` (the means);
            None writes nothing.
        settings: see `haqagen_jax.load`.
        overwrite: replace files of these names in `out`.
        progress: show bars on stderr.

    Returns:
        The exit status: 0 when every pair was scored, else 1; a pair that fails is one line on
        stderr and counts for no model.

    Raises:
        InputError: no pairs, a model that cannot be loaded, results that exist or cannot be
            written, or no pair that could be scored.
    """
    pairs, problems = usable_pairs(data, split)
    colorizers = [api.load(model, settings) for model in models]
    if out is not None:
        tables.prepare(Path(out), overwrite=overwrite)
    for problem in problems:
        complain(problem)
    scores: dict[str, Scores] = {name: {} for name in models}
    with bars(progress) as display:
        task = display.add_task("pairs", total=len(pairs))
        for pair in pairs:
            try:
                rows = [score(colorizer, pair) for colorizer in colorizers]
            except InputError as error:
                complain(str(error), display.console)
            else:
                for name, row in zip(models, rows, strict=True):
                    scores[name][pair.name] = row
            display.advance(task)
    done, total = len(scores[models[0]]), len(pairs) + len(problems)
    if not done:
        raise InputError(f"{data}: none of its {total} pairs could be scored; mend what is named")
    noun = "pair" if done == 1 else "pairs"
    print(f"{printable(data)}: means over {done} {noun}\n\n{tables.text(scores)}")
    if out is not None:
        tables.write(Path(out), scores, data)
    return 0 if done == total else 1


def score(model: Colorizer, pair: Pair) -> dict[str, float]:
    """Colours one NIR image and compares it with its truth.

    Args:
        model: any model.
        pair: the two files.

    Returns:
        Value by column; the columns are those of `measure`.

    Raises:
        InputError: a file that cannot be read or coloured, or is too small for SSIM (7 pixels).
    """
    encoded = pair.encoded()
    nir, rgb = decode_pair(encoded)
    try:
        return measure(model.colorize(nir, dtype=np.float32), rgb)
    except ValueError as error:
        raise InputError(f"{encoded.nir_place}: {error}") from None


def measure(
    prediction: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "h w 3"]
) -> dict[str, float]:
    """Measures one prediction.

    Args:
        prediction: sRGB-encoded, in [0, 1].
        target: the same shape.

    Returns:
        PSNR (dB), SSIM and angular error (degrees), each for sRGB and for linear light.

    Reference: Sec. 4.1.
    """
    srgb = prediction[None], target[None]
    spaces = {"sRGB": srgb, "linear": tuple(_to_linear(image) for image in srgb)}
    return {
        f"{name} {space}": float(metric(*images)[0])
        for name, metric in _METRICS.items()
        for space, images in spaces.items()
    }
