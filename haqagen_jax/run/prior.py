"""Data for a color prior from photographs without NIR: learn NIR from color, then predict it.

The result is a data directory whose NIR images are predicted. A colorizer is pretrained on it, and
then trained on real pairs.

Reference: HAQAGen's "future directions" name priors from images without NIR; the way is ours.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from haqagen_jax import artifact
from haqagen_jax.config.schema import Config
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pair import Pair
from haqagen_jax.data.pipeline import EvaluationBatches
from haqagen_jax.errors import InputError
from haqagen_jax.models.factory import generator_shapes, make_generator
from haqagen_jax.run.loop import train
from haqagen_jax.run.photographs import Made, list_photographs, make_pairs, require_usable

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Agreement(NamedTuple):
    """How well NIR images are predicted: means over pairs.

    Attributes:
        psnr: In dB, for a range of 1.
        correlation: Pearson's, of the pixels of an image, in [-1, 1].
    """

    psnr: float
    correlation: float


def pretrain_prior(
    directories: Sequence[str | Path],
    photographs: str | Path,
    workdir: str | Path,
    config: Config,
    *,
    progress: bool = True,
) -> Made:
    """Train the network from color to NIR, and make pairs of photographs with it.

    Resumable: a run that was stopped continues from its last checkpoint.

    Args:
        directories: Data directories of real pairs, with training and validation splits.
        photographs: Folder of color photographs.
        workdir: The network's run goes to `nir/`, the pairs to `pairs/train/`.
        config: A configuration like that of configs/nir_from_color.py.
        progress: Show bars, and a line for each validation.

    Returns:
        What became of the photographs.

    Raises:
        InputError: A configuration of another network; and see `haqagen_jax.run.loop.train` and
            `haqagen_jax.run.photographs.make_pairs`.
    """
    if config.model.architecture != "nir_from_color" or config.data.direction != "rgb_to_nir":
        raise InputError(
            f"model.architecture = {config.model.architecture}: predicts no NIR; give --config "
            "configs/nir_from_color.py"
        )
    require_usable(list_photographs(photographs))  # before hours of training
    workdir = Path(workdir)
    model = train(directories, workdir / "nir", config, progress=progress)
    ours, luma = agreement(model, split_pairs(directories, "val"))
    print(
        f"NIR from color on held-out pairs: {ours.psnr:.2f} dB, correlation {ours.correlation:.3f}"
        f"; luma as NIR: {luma.psnr:.2f} dB, {luma.correlation:.3f}",
        flush=True,
    )
    return make_pairs(photographs, model, workdir / "pairs", progress=progress)


def agreement(model: str | Path, pairs: Sequence[Pair]) -> tuple[Agreement, Agreement]:
    """Score a network from color to NIR on real pairs.

    Args:
        model: Directory of the network.
        pairs: Real pairs, at least one.

    Returns:
        Agreement of the prediction with the true NIR images, and that of the color images' luma,
        the baseline.

    Raises:
        InputError: A model or a pair that cannot be read.
    """
    config, variables = artifact.load(model, generator_shapes)
    apply: Any = jax.jit(make_generator(config.model).apply)
    ours, luma = [], []
    for batch in EvaluationBatches(pairs, config.data, batch_size=1):
        truth = batch.rgb[0, ..., 0]
        ours.append(_compared(np.asarray(apply(variables, batch.nir).rgb[0, ..., 0]), truth))
        luma.append(_compared(batch.nir[0] @ np.array(_LUMA, np.float32), truth))
    return _means(ours), _means(luma)


def _compared(prediction: np.ndarray, truth: np.ndarray) -> Agreement:
    error = float(np.mean(np.square(prediction - truth, dtype=np.float64)))
    correlation = float(np.corrcoef(prediction.ravel(), truth.ravel())[0, 1])
    return Agreement(-10 * float(np.log10(max(error, 1e-12))), correlation)


def _means(scores: Sequence[Agreement]) -> Agreement:
    return Agreement(*map(statistics.fmean, zip(*scores, strict=True)))
