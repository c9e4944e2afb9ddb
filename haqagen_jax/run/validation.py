"""Score a model while it trains, on the central crop of every validation pair.

Each image takes one forward pass, so that validation is cheap; `haqagen evaluate` scores whole
images through the inference engine.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from haqagen_jax import metrics
from haqagen_jax.config.schema import Config, ModelConfig
from haqagen_jax.data.pair import Pair
from haqagen_jax.data.pipeline import EvaluationBatches
from haqagen_jax.models.factory import make_generator
from haqagen_jax.ops.color import srgb_encoded, srgb_to_linear
from haqagen_jax.train.guided import guided
from haqagen_jax.train.sharding import place_batch, replicated
from haqagen_jax.types import Batch, Rgb


class Samples(NamedTuple):
    """The first validation pairs and their predictions, (b, h, w, c), sRGB-encoded."""

    nir: Any
    rgb_pred: Any
    hsv_pred: Any
    rgb: Any


# (variables, batch, mask) -> scores and predictions of each image, and the mask
Predict = Callable[[Any, Batch, jax.Array], tuple[dict[str, jax.Array], Samples, jax.Array]]
Validate = Callable[[Any], tuple[dict[str, float], Samples]]


def make_validation(
    config: Config, pairs: Sequence[Pair], mesh: Mesh, *, dtype: DTypeLike = jnp.float32
) -> Validate:
    """Build the function that validates a run.

    Args:
        config: The run's configuration.
        pairs: The validation split.
        mesh: The devices of all processes, which share each batch.
        dtype: What the generator computes in.

    Returns:
        A function of the generator's variables: mean PSNR (dB), SSIM and angular error (degrees)
        in sRGB, PSNR and angular error in linear light, and the first samples.
    """
    predict = jax.jit(
        _predictor(config.model, linear=config.data.linear, dtype=dtype),
        out_shardings=replicated(mesh),
    )
    batches = EvaluationBatches(pairs, config.data, batch_size=config.train.batch_size)
    limit = config.train.validation_samples

    def validate(variables: Any) -> tuple[dict[str, float], Samples]:
        scores, samples, shown = [], [], 0
        for nir, rgb, mask in batches:
            placed, mask = place_batch((Batch(nir, rgb), mask), mesh)
            batch_scores, images, real = predict(variables, placed, mask)
            real = jax.device_get(real)
            scores.append({name: x[real] for name, x in jax.device_get(batch_scores).items()})
            if shown < limit:  # images are large, so those that are not shown stay on the devices
                samples.append(jax.tree.map(lambda x, real=real: x[real], jax.device_get(images)))
                shown += int(real.sum())
        values, shown_images = (
            jax.tree.map(lambda *parts: np.concatenate(parts), *trees)
            for trees in (scores, samples)
        )
        means = {name: float(jnp.mean(value)) for name, value in values.items()}
        return means, Samples(*(x[:limit] for x in shown_images))

    return validate


def _predictor(model: ModelConfig, *, linear: bool, dtype: DTypeLike) -> Predict:
    """Build the function that predicts a batch and scores each of its images."""
    generator = make_generator(model, dtype=dtype)

    def predict(
        variables: Any, batch: Batch, real: jax.Array
    ) -> tuple[dict[str, jax.Array], Samples, jax.Array]:
        output: Any = generator.apply(variables, batch.nir)
        prediction = guided(model, batch.nir, output)
        rgb_pred, hsv_pred = jnp.clip(prediction.rgb, 0, 1), prediction.hsv
        rgb_pred, rgb = (srgb_encoded(x, linear=linear) for x in (rgb_pred, batch.rgb))
        scores = _scores(rgb_pred, rgb)
        # The mask passes through, so that every process has all of it.
        return scores, Samples(batch.nir[..., :1], rgb_pred, hsv_pred, rgb), real

    return predict


def _scores(prediction: Rgb, truth: Rgb) -> dict[str, jax.Array]:
    """Score each image; both are sRGB-encoded."""
    linear = srgb_to_linear(prediction), srgb_to_linear(truth)
    return {
        "psnr": metrics.psnr(prediction, truth),
        "ssim": metrics.ssim(prediction, truth),
        "angular_error": metrics.angular_error(prediction, truth),
        "psnr_linear": metrics.psnr(*linear),
        "angular_error_linear": metrics.angular_error(*linear),
    }
