"""What a training step reads and writes: both networks' variables and both optimizers' states."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jax.typing import DTypeLike

from haqagen_jax.config.schema import Config
from haqagen_jax.models.factory import init_critic, init_generator
from haqagen_jax.train.optimizer import make_optimizer
from haqagen_jax.train.precision import LossScale


@struct.dataclass
class TrainState:
    """A pytree; nothing random is stored. Leaves may be arrays, shapes or shardings."""

    step: Any
    generator: Any  # variables: params, batch_stats, spectral
    critic: Any  # variables: params, spectral
    generator_opt: optax.OptState
    critic_opt: optax.OptState
    average: Any = None  # of the generator's params, with `train.ema`
    loss_scale: Any = None  # a `LossScale`, in float16

    @property
    def judged(self) -> Any:
        """The generator that validation and export use: the average where there is one."""
        if self.average is None:
            return self.generator
        return {**self.generator, "params": self.average}


def create_state(
    key: Array, config: Config, *, steps: int, dtype: DTypeLike = jnp.float32
) -> TrainState:
    """Initializes both networks and both optimizers.

    Args:
        key: typed random key.
        config: the run's configuration.
        steps: length of the run, for the schedule.
        dtype: what the run computes in.

    Returns:
        The state before the first step.
    """
    optimizer = make_optimizer(config.optim, steps=steps)
    generator_key, critic_key = jax.random.split(key)
    generator = init_generator(generator_key, config.model)
    critic = init_critic(critic_key, config.model)
    if dtype == jnp.float64:
        generator, critic = jax.tree.map(lambda x: x.astype(dtype), (generator, critic))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        critic=critic,
        generator_opt=optimizer.init(generator["params"]),
        critic_opt=optimizer.init(critic["params"]),
        average=generator["params"] if config.train.ema else None,
        loss_scale=LossScale.start() if dtype == jnp.float16 else None,
    )
