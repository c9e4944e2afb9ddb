"""Scores of a model while it trains: on the central crop of every validation pair.

One forward pass a picture, so that validating often stays cheap; `haqagen evaluate` scores whole
pictures through the inference engine.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from haqagen_jax import metrics
from haqagen_jax.config import Config
from haqagen_jax.data.pair import Pair
from haqagen_jax.data.pipeline import evaluation_batches
from haqagen_jax.models.factory import make_generator
from haqagen_jax.ops.color import linear_to_srgb, srgb_to_linear
from haqagen_jax.train.sharding import place_batch, replicated
from haqagen_jax.types import Batch


class Samples(NamedTuple):
    """The first validation pairs and their predictions, sRGB-encoded, as numpy arrays."""

    nir: Any
    rgb_pred: Any
    hsv_pred: Any
    rgb: Any


Validate = Callable[[Any], tuple[dict[str, float], Samples]]


def make_validation(
    config: Config, pairs: Sequence[Pair], mesh: Mesh, *, dtype: DTypeLike = jnp.float32
) -> Validate:
    """Builds the validation of a run.

    Args:
        config: the run's configuration.
        pairs: the validation split.
        mesh: the devices that share a batch, of all processes.
        dtype: what the generator computes in.

    Returns:
        A function of the generator's variables: mean PSNR (dB), SSIM and angular error (degrees)
        in sRGB, PSNR and angular error in linear light, and the first samples.
    """
    generator = make_generator(config.model, dtype=dtype)

    @functools.partial(jax.jit, out_shardings=replicated(mesh))
    def predict(
        variables: Any, batch: Batch, real: jax.Array
    ) -> tuple[dict[str, jax.Array], Samples, jax.Array]:
        prediction: Any = generator.apply(variables, batch.nir)
        rgb_pred, hsv_pred = prediction.rgb, prediction.hsv
        rgb = batch.rgb
        if config.data.rgb_transfer == "linear":
            rgb_pred, rgb = linear_to_srgb(rgb_pred), linear_to_srgb(rgb)
        linear = srgb_to_linear(rgb_pred), srgb_to_linear(rgb)
        scores = {
            "psnr": metrics.psnr(rgb_pred, rgb),
            "ssim": metrics.ssim(rgb_pred, rgb),
            "angular_error": metrics.angular_error(rgb_pred, rgb),
            "psnr_linear": metrics.psnr(*linear),
            "angular_error_linear": metrics.angular_error(*linear),
        }
        return scores, Samples(batch.nir[..., :1], rgb_pred, hsv_pred, rgb), real

    def validate(variables: Any) -> tuple[dict[str, float], Samples]:
        results = []
        processes = jax.process_count()
        batches = evaluation_batches(
            pairs,
            config.data,
            batch_size=config.train.batch_size // processes,
            process=jax.process_index(),
            processes=processes,
        )
        for nir, rgb, mask in batches:
            placed, mask = place_batch((Batch(nir, rgb), mask), mesh)
            *out, real = jax.device_get(predict(variables, placed, mask))
            results.append(jax.tree.map(lambda x, real=real: x[real], out))
        scores, samples = jax.tree.map(lambda *parts: np.concatenate(parts), *results)
        shown = Samples(*(x[: config.train.validation_samples] for x in samples))
        return {name: float(jnp.mean(values)) for name, values in scores.items()}, shown

    return validate
