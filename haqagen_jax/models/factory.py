"""From a configuration to networks."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from haqagen_jax import paper
from haqagen_jax.config.schema import ModelConfig
from haqagen_jax.models.color_prior import ColorPrior, NirFromColor
from haqagen_jax.models.colormamba import ColorMamba
from haqagen_jax.models.critic import ColorMambaCritic, Critic
from haqagen_jax.models.generator import Generator


def make_generator(
    model: ModelConfig, *, dtype: DTypeLike = jnp.float32, remat: bool = False
) -> Generator | ColorMamba | ColorPrior | NirFromColor:
    """Returns the generator for a configuration: its RGB and its HSV branch.

    Args:
        model: their sizes.
        dtype: what convolutions and projections compute in; variables are float32.
        remat: compute the blocks' insides again in the backward pass, instead of keeping them.
    """
    if model.architecture == "colormamba":
        return ColorMamba(
            width=model.width,
            d_state=model.d_state,
            expand=model.expand,
            spade_hidden=model.spade_hidden,
            hsv_width=model.hsv_width,
            even_upsampling=model.even_upsampling,
            remat=remat,
            dtype=dtype,
        )
    if model.architecture == "prior":
        return ColorPrior(dtype=dtype)
    if model.architecture == "nir_from_color":
        return NirFromColor(dtype=dtype)
    return Generator(
        width=model.width,
        d_state=model.d_state,
        expand=model.expand,
        spade_hidden=model.spade_hidden,
        hsv_width=model.hsv_width,
        hsv_spade=model.hsv_spade,
        hsv_encoder=model.hsv_encoder,
        even_upsampling=model.even_upsampling,
        remat=remat,
        dtype=dtype,
    )


def make_critic(model: ModelConfig, *, dtype: DTypeLike = jnp.float32) -> Critic | ColorMambaCritic:
    """Returns the two critics for a configuration."""
    match model.architecture:
        case "haqagen" | "prior" | "nir_from_color":
            return Critic(model.critic_width, dtype=dtype)
        case "colormamba":
            return ColorMambaCritic(model.critic_width, dtype=dtype)
        case other:
            raise AssertionError(other)


def init_generator(key: Array, model: ModelConfig) -> dict[str, Any]:
    """Returns the generator's variables: params, batch_stats, spectral."""
    channels = 3 if model.architecture == "nir_from_color" else 1
    image = jnp.zeros((1, paper.PATCH, paper.PATCH, channels))
    return dict(make_generator(model).init(key, image))


def generator_shapes(model: ModelConfig) -> dict[str, Any]:
    """Returns what `init_generator` would, without its values: `jax.ShapeDtypeStruct`s."""
    return jax.eval_shape(lambda key: init_generator(key, model), jax.random.key(0))


def init_critic(key: Array, model: ModelConfig) -> dict[str, Any]:
    """Returns the critics' variables: params, spectral."""
    image = jnp.zeros((1, paper.PATCH, paper.PATCH, 3))
    return dict(make_critic(model).init(key, image, image))


def count_parameters(variables: object) -> int:
    """Returns the number of scalars in a tree of arrays or of their shapes."""
    return sum(x.size for x in jax.tree.leaves(variables))
