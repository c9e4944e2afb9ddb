"""One training step: a pure function of the state and a batch.

The generator's forward pass runs once. Its predictions, without their gradient, update the
critics; the updated critics then judge the same predictions, and the gradient of Eq. (4) in the
predictions is pulled back through the one forward pass.

Reference: HAQAGen Sec. 3.2, Eq. (2) to (4); 1:1 updates.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from haqagen_jax.config import Config
from haqagen_jax.losses.objective import (
    Features,
    critic_objective,
    generator_objective,
)
from haqagen_jax.models.factory import make_critic, make_generator
from haqagen_jax.models.generator import GeneratorOutput
from haqagen_jax.ops.color import linear_to_srgb, rgb_to_hsv
from haqagen_jax.train.optimizer import make_optimizer
from haqagen_jax.train.state import TrainState
from haqagen_jax.types import Batch

Metrics = dict[str, Array]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_train_step(
    config: Config, *, steps: int, texture: Features | None, vgg: Features | None
) -> TrainStep:
    """Builds the step for a configuration.

    Args:
        config: the run's configuration.
        steps: length of the run, for the schedule.
        texture: image to features of the frozen f; None if its weights in `config.loss` are 0.
        vgg: image to features of the frozen g; None if `config.loss.delta` is 0.

    Returns:
        A function to be jitted: (state, batch) -> (state, metrics), where metrics are scalars: the
        unweighted terms of both objectives, and both totals.
    """
    generator, critic = make_generator(config.model), make_critic(config.model)
    optimizer = make_optimizer(config.optim, steps=steps)

    def forward(params: Any, state: TrainState, nir: Any) -> tuple[GeneratorOutput, Any]:
        variables = {**state.generator, "params": params}
        return generator.apply(variables, nir, train=True, mutable=["batch_stats", "spectral"])

    def critic_loss(
        params: Any, spectral: Any, real: GeneratorOutput, fake: GeneratorOutput
    ) -> Any:
        rgb, hsv = (jnp.concatenate(pair) for pair in zip(real, fake, strict=True))
        logits, updated = critic.apply(
            {"params": params, "spectral": spectral}, rgb, hsv, train=True, mutable=["spectral"]
        )
        (rgb_real, rgb_fake), (hsv_real, hsv_fake) = (jnp.split(x, 2) for x in logits)
        loss, terms = critic_objective(rgb_real, rgb_fake, hsv_real, hsv_fake)
        return loss, (terms, updated["spectral"])

    def generator_loss(fake: GeneratorOutput, real: GeneratorOutput, judge: Any) -> Any:
        logits: Any = critic.apply(judge, fake.rgb, fake.hsv)
        return generator_objective(
            *fake, *real, *logits, texture=texture, vgg=vgg, loss=config.loss
        )

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        encoded = batch.rgb if config.data.rgb_transfer == "srgb" else linear_to_srgb(batch.rgb)
        real = GeneratorOutput(jnp.asarray(batch.rgb), rgb_to_hsv(encoded))
        params, judge = state.generator["params"], state.critic
        fake, pull_back, collections = jax.vjp(
            lambda params: forward(params, state, batch.nir), params, has_aux=True
        )

        (critic_total, (critic_terms, spectral)), grads = jax.value_and_grad(
            critic_loss, has_aux=True
        )(judge["params"], judge["spectral"], real, jax.lax.stop_gradient(fake))
        updates, critic_opt = optimizer.update(grads, state.critic_opt, judge["params"])
        judge = {"params": optax.apply_updates(judge["params"], updates), "spectral": spectral}

        # From here on the critics are the updated ones.
        (total, terms), cotangent = jax.value_and_grad(generator_loss, has_aux=True)(
            fake, real, judge
        )
        (grads,) = pull_back(cotangent)
        updates, generator_opt = optimizer.update(grads, state.generator_opt, params)

        state = TrainState(
            step=state.step + 1,
            generator={**collections, "params": optax.apply_updates(params, updates)},
            critic=judge,
            generator_opt=generator_opt,
            critic_opt=critic_opt,
        )
        means = {name: value.mean() for name, value in (terms | critic_terms).items()}
        return state, {"generator": total, "critic": critic_total, **means}

    return step
