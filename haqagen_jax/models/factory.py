"""Networks and their initial variables, from a configuration."""

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
    """Return the generator for a configuration: its RGB and its HSV branch.

    Args:
        model: Architecture and sizes.
        dtype: Dtype in which convolutions and projections compute; variables are float32.
        remat: Compute the activations inside blocks again in the backward pass.

    Returns:
        The module, without variables.
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
    """Return the two critics for a configuration.

    Args:
        model: Architecture and width.
        dtype: Dtype in which convolutions compute; variables are float32.

    Returns:
        The module, without variables.
    """
    match model.architecture:
        case "haqagen" | "prior" | "nir_from_color":
            return Critic(model.critic_width, dtype=dtype)
        case "colormamba":
            return ColorMambaCritic(model.critic_width, dtype=dtype)
        case other:
            raise AssertionError(other)


def init_generator(key: Array, model: ModelConfig) -> dict[str, Any]:
    """Initialize the generator's variables.

    Args:
        key: Random key.
        model: Configuration of the generator.

    Returns:
        The collections: params and, where the network has them, batch_stats and spectral.
    """
    channels = 3 if model.architecture == "nir_from_color" else 1
    image = jnp.zeros((1, paper.PATCH, paper.PATCH, channels))
    return dict(make_generator(model).init(key, image))


def generator_shapes(model: ModelConfig) -> dict[str, Any]:
    """Return the shapes and dtypes of the generator's variables, without computing any.

    Args:
        model: Configuration of the generator.

    Returns:
        The tree of `init_generator`, of `jax.ShapeDtypeStruct`s.
    """
    return jax.eval_shape(lambda key: init_generator(key, model), jax.random.key(0))


def init_critic(key: Array, model: ModelConfig) -> dict[str, Any]:
    """Initialize the critics' variables.

    Args:
        key: Random key.
        model: Configuration of the critics.

    Returns:
        The collections: params and spectral.
    """
    image = jnp.zeros((1, paper.PATCH, paper.PATCH, 3))
    return dict(make_critic(model).init(key, image, image))


def count_parameters(variables: object) -> int:
    """Count the scalars in a tree of arrays.

    Args:
        variables: Arrays or `jax.ShapeDtypeStruct`s.

    Returns:
        The sum of their sizes.
    """
    return sum(x.size for x in jax.tree.leaves(variables))
