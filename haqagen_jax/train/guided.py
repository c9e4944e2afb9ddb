"""The guided layer behind a network, as training and validation see its colors."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.ops.color import rgb_to_hsv
from haqagen_jax.ops.guided import guided_filter


def guided(
    model: ModelConfig, nir: Float[Array | np.ndarray, "b h w c"], output: GeneratorOutput
) -> GeneratorOutput:
    """Fit colors to the NIR image, if the configuration says so.

    Args:
        model: Radius (pixels) and eps of the layer; a radius of 0 changes nothing.
        nir: What the network saw, in [0, 1]; the guide is its first channel.
        output: What the network predicted.

    Returns:
        Colors of the same shapes, which may leave [0, 1] a little. HSV is that of the filtered RGB
        where the network derives it from RGB (the color prior), else unchanged.

    Raises:
        ValueError: The radius does not fit the image; see `haqagen_jax.ops.guided.guided_filter`.
    """
    if not model.guided:
        return output
    rgb = guided_filter(nir[..., :1], output.rgb, radius=model.guided, eps=model.guided_eps)
    if model.architecture != "prior":
        return GeneratorOutput(rgb, output.hsv)
    return GeneratorOutput(rgb, rgb_to_hsv(jnp.clip(rgb, 0, 1)))
