"""The state of training: both networks' variables and both optimizers' states."""

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
    """What a training step reads and writes, a pytree; nothing random is stored.

    Leaves may also be shapes or shardings.

    Attributes:
        step: Number of steps done, an int32 scalar.
        generator: Variables: params, batch_stats and spectral.
        critic: Variables: params and spectral.
        generator_opt: State of the generator's optimizer.
        critic_opt: State of the critics' optimizer.
        average: Moving average of the generator's params; None without `train.ema`.
        loss_scale: A `LossScale` in float16, else None.
    """

    step: Any
    generator: Any
    critic: Any
    generator_opt: optax.OptState
    critic_opt: optax.OptState
    average: Any = None
    loss_scale: Any = None

    @property
    def judged(self) -> Any:
        """Variables that validation and export use: the average of the params if there is one."""
        if self.average is None:
            return self.generator
        return {**self.generator, "params": self.average}


def create_state(
    key: Array, config: Config, *, steps: int, dtype: DTypeLike = jnp.float32
) -> TrainState:
    """Initialize both networks and both optimizers.

    Args:
        key: Typed random key; the same key gives the same state.
        config: The run's configuration.
        steps: Length of the run, for the schedule.
        dtype: What the run computes in; float64 holds for the parameters, too.

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
