"""One training step: a pure function of the state and a batch.

The generator's forward pass runs once. Its predictions, without their gradient, update the
critics; the updated critics then judge the same predictions, and the gradient of Eq. (4) in the
predictions is pulled back through the one forward pass. A batch in several parts (microbatches) is
passed twice, first for the critics and then for the generator, because the second needs the
critics that all of the first has updated.

Reference: HAQAGen Sec. 3.2, Eq. (2) to (4); 1:1 updates.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import DTypeLike

from haqagen_jax.config.schema import Config
from haqagen_jax.losses.objective import Features, needs_critics
from haqagen_jax.train.gradients import Forward, Metrics, Networks, averaged
from haqagen_jax.train.optimizer import make_optimizer
from haqagen_jax.train.precision import LEAST
from haqagen_jax.train.state import TrainState
from haqagen_jax.types import Batch

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
WARM_UP = 10  # steps that the moving average's decay takes to become noticeable


def make_train_step(
    config: Config,
    *,
    steps: int,
    texture: Features | None,
    vgg: Features | None,
    dtype: DTypeLike = jnp.float32,
) -> TrainStep:
    """Build the training step of a configuration.

    Args:
        config: The run's configuration.
        steps: Length of the run, for the schedule.
        texture: Image to features of the frozen f; None if its weights in `config.loss` are 0.
        vgg: Image to features of the frozen g; None if `config.loss.delta` is 0.
        dtype: What convolutions and projections compute in.

    Returns:
        A function to be jitted: (state, batch) -> (state, metrics), where metrics are scalars: the
        unweighted terms of both objectives, both totals, the norms of both gradients, and the share
        of patches that the critics judge rightly. With `config.loss.adversarial` 0 the critics stay
        as they are, and have no metrics. In float16, a step whose gradients overflow changes
        nothing but the loss scale, and its norms are 0.
    """
    networks = Networks(
        config.model,
        config.loss,
        linear=config.data.linear,
        remat=config.train.remat,
        texture=texture,
        vgg=vgg,
        dtype=dtype,
    )
    sides = _Sides(
        networks, make_optimizer(config.optim, steps=steps), parts=config.train.microbatches
    )
    trains_critics = needs_critics(config.loss)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        # Comparisons in float64 keep their parameters so; the images follow.
        kind = jax.tree.leaves(state.generator["params"])[0].dtype
        batch = jax.tree.map(lambda x: jnp.asarray(x, kind), batch)
        forward = networks.predict(state, batch) if sides.parts == 1 else None
        critic = _Side(state.critic, state.critic_opt, {}, {})
        if trains_critics:
            critic = sides.update_critic(state, batch, forward)
        generator = sides.update_generator(state, batch, forward, critic.variables)
        norms = critic.norms | generator.norms
        after = TrainState(
            step=state.step,
            generator=generator.variables,
            critic=critic.variables,
            generator_opt=generator.opt_state,
            critic_opt=critic.opt_state,
            average=_average(state, generator.variables["params"], config.train.ema),
            loss_scale=state.loss_scale,
        )
        if state.loss_scale is not None:
            after, norms = _guarded(state, after, norms)
        after = dataclasses.replace(after, step=state.step + 1)
        return after, generator.terms | critic.terms | norms

    return step


class _Side(NamedTuple):
    """One side of the game after its update, and what the step records of it."""

    variables: Any
    opt_state: optax.OptState
    terms: Metrics
    norms: Metrics


class _Sides:
    """The updates of both sides, whether a batch comes whole or in microbatches.

    Where the batch is whole (`parts` is 1), the methods take its forward pass; else they take
    `forward` None and compute it again for each part.
    """

    def __init__(
        self, networks: Networks, optimizer: optax.GradientTransformation, *, parts: int
    ) -> None:
        self.parts = parts
        self._networks, self._optimizer = networks, optimizer

    def update_critic(self, state: TrainState, batch: Batch, forward: Forward | None) -> _Side:
        """Update the critics with the gradient of their objective."""
        scale = _scale(state)

        def gradient(part: Batch) -> Any:
            passed = self._networks.predict(state, part) if forward is None else forward
            return self._networks.critic_side(state, part, passed.prediction, scale)

        grads, terms, spectral = self._over_parts(gradient, batch)
        norm = optax.tree.norm(grads)
        params, opt_state = self._apply(grads, state.critic_opt, state.critic["params"])
        if state.loss_scale is not None:
            # Critics that an overflow has spoiled would make the generator's terms NaN, which
            # are recorded although the step is not taken.
            params = _where(jnp.isfinite(norm), params, state.critic["params"])
        variables = {"params": params, "spectral": spectral}
        return _Side(variables, opt_state, terms, {"gradient_critic": norm})

    def update_generator(
        self, state: TrainState, batch: Batch, forward: Forward | None, critic: Any
    ) -> _Side:
        """Update the generator with the gradient of Eq. (4), judged by the updated critics."""
        scale = _scale(state)

        def gradient(part: Batch) -> Any:
            passed = self._networks.predict(state, part) if forward is None else forward
            grads, terms = self._networks.generator_side(part, passed, critic, scale)
            return grads, terms, passed.collections

        grads, terms, collections = self._over_parts(gradient, batch)
        params, opt_state = self._apply(grads, state.generator_opt, state.generator["params"])
        norm = optax.tree.norm(grads)
        variables = {**collections, "params": params}
        return _Side(variables, opt_state, terms, {"gradient_generator": norm})

    def _over_parts(self, function: Callable[[Batch], Any], batch: Batch) -> Any:
        return function(batch) if self.parts == 1 else averaged(function, batch, self.parts)

    def _apply(self, grads: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
        updates, opt_state = self._optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state


def _scale(state: TrainState) -> Array:
    """Return what the losses are multiplied by: 1 but in float16."""
    return jnp.ones(()) if state.loss_scale is None else state.loss_scale.scale


def _average(state: TrainState, params: Any, decay: float) -> Any:
    """Update the moving average, which forgets the random start sooner than `decay` would."""
    if state.average is None:
        return None
    step = state.step.astype(jnp.float32)
    keep = jnp.minimum(decay, (1 + step) / (WARM_UP + step))
    return jax.tree.map(
        lambda a, x: (keep * a + (1 - keep) * x).astype(x.dtype), state.average, params
    )


def _where(condition: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _guarded(state: TrainState, after: TrainState, norms: Metrics) -> tuple[TrainState, Metrics]:
    """Undo a float16 step whose gradients have overflowed, but for its loss scale."""
    assert state.loss_scale is not None
    finite = jnp.isfinite(jnp.stack(list(norms.values()))).all()
    kept = _where(finite, after, state)
    # At the least scale there is nothing left to lower, so the norms show the overflow.
    hidden = ~finite & (state.loss_scale.scale > LEAST)
    norms = {name: jnp.where(hidden, 0.0, norm) for name, norm in norms.items()}
    scale = state.loss_scale.after(finite)
    return dataclasses.replace(kept, loss_scale=scale), norms
