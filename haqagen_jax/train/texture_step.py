"""One step of pretraining the texture autoencoder f: pure, jitted, float32.

f sees sRGB-encoded patches in [0, 1] and the HSV of the same patches, because Eq. (4) applies L_rec
to both. The objective is the l2 distance of the reconstruction.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float

from haqagen_jax import paper
from haqagen_jax.config.schema import TextureConfig
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.ops.color import rgb_to_hsv
from haqagen_jax.ops.pairing import interleave
from haqagen_jax.train.optimizer import decayed
from haqagen_jax.types import Rgb


@struct.dataclass
class TextureState:
    """What one step of pretraining reads and writes, a pytree.

    Attributes:
        step: Number of steps done, an int32 scalar.
        params: Of `TextureAutoencoder`.
        opt_state: State of the optimizer.
        optimizer: The gradient transformation, static under jit.
    """

    # `Any`, because tree maps put shapes and shardings in the place of arrays.
    step: Any
    params: Any
    opt_state: Any
    optimizer: optax.GradientTransformation = struct.field(pytree_node=False)


def create_texture_state(key: Array, config: TextureConfig) -> TextureState:
    """Initialize f and its optimizer.

    Args:
        key: Typed random key.
        config: Learning rate and length of the run, which shape the cosine schedule.

    Returns:
        The state before the first step.
    """
    optimizer = _optimizer(config)
    params = _init(key)
    return TextureState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=optimizer.init(params),
        optimizer=optimizer,
    )


@jax.jit
def _init(key: Array) -> Any:
    return TextureAutoencoder().init(key, jnp.zeros((1, 16, 16, 3)))["params"]


@functools.cache  # a static part of the state: each new object would compile the step again
def _optimizer(config: TextureConfig) -> optax.GradientTransformation:
    # Both are ours: the paper only names the l2 objective.
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps, alpha=0.01)
    return optax.adamw(schedule, weight_decay=paper.WEIGHT_DECAY, mask=decayed)


def texture_loss(params: Any, rgb: Rgb) -> Float[Array, " b"]:
    """Compute the mean squared error of the reconstruction of patches, as RGB and as HSV.

    Args:
        params: Parameters of `TextureAutoencoder`.
        rgb: Patches, sRGB-encoded, in [0, 1].

    Returns:
        One value per patch.

    Reference: Sec. 3.2, "Autoencoder pretraining"; that f also learns from HSV is ours.
    """
    images = interleave(rgb, rgb_to_hsv(rgb))
    decoded = jnp.asarray(TextureAutoencoder().apply({"params": params}, images))
    return jnp.mean((decoded - images).reshape(rgb.shape[0], -1) ** 2, axis=1)


@jax.jit
def texture_step(state: TextureState, rgb: Rgb) -> tuple[TextureState, Float[Array, ""]]:
    """Update f once.

    Args:
        state: Before the step.
        rgb: Patches, sRGB-encoded, in [0, 1].

    Returns:
        The next state, and the mean loss before the update.
    """
    loss, grads = jax.value_and_grad(lambda p: texture_loss(p, rgb).mean())(state.params)
    updates, opt_state = state.optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    after = {"step": state.step + 1, "params": params, "opt_state": opt_state}
    return dataclasses.replace(state, **after), loss
