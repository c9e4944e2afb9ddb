"""One training step: a pure function of the state and a batch.

The generator's forward pass runs once. Its predictions, without their gradient, update the
critics; the updated critics then judge the same predictions, and the gradient of Eq. (4) in the
predictions is pulled back through the one forward pass. A batch in several parts (microbatches) is
passed twice, first for the critics and then for the generator, because the second needs the
critics that all of the first has updated.

Reference: HAQAGen Sec. 3.2, Eq. (2) to (4); 1:1 updates.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import DTypeLike

from haqagen_jax.config.schema import Config
from haqagen_jax.losses.objective import (
    Features,
    critic_objective,
    critic_threshold,
    generator_objective,
    needs_critics,
)
from haqagen_jax.models.factory import make_critic, make_generator
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.ops.color import rgb_to_hsv, srgb_encoded
from haqagen_jax.ops.pairing import deinterleave, interleave
from haqagen_jax.train.guided import guided
from haqagen_jax.train.optimizer import make_optimizer
from haqagen_jax.train.precision import LEAST, unscaled
from haqagen_jax.train.state import TrainState
from haqagen_jax.types import Batch

Metrics = dict[str, Array]
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
    """Builds the step for a configuration.

    Args:
        config: the run's configuration.
        steps: length of the run, for the schedule.
        texture: image to features of the frozen f; None if its weights in `config.loss` are 0.
        vgg: image to features of the frozen g; None if `config.loss.delta` is 0.
        dtype: what convolutions and projections compute in.

    Returns:
        A function to be jitted: (state, batch) -> (state, metrics), where metrics are scalars: the
        unweighted terms of both objectives, both totals, the norms of both gradients, and the share
        of patches that the critics judge rightly. With `config.loss.adversarial` 0 the critics stay
        as they are, and have no metrics. In float16, a step whose gradients overflow changes
        nothing but the loss scale, and its norms are 0.
    """
    networks = _Networks(config, texture, vgg, dtype)
    optimizer = make_optimizer(config.optim, steps=steps)
    trains_critics = needs_critics(config.loss)

    def apply(grads: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        scale = jnp.ones(()) if state.loss_scale is None else state.loss_scale.scale
        # Comparisons in float64 keep their parameters so; the images follow.
        kind = jax.tree.leaves(state.generator["params"])[0].dtype
        batch = jax.tree.map(lambda x: jnp.asarray(x, kind), batch)
        parts = config.train.microbatches
        if parts == 1:
            fake, pull_back, collections = networks.predict(state, batch)

        judge, critic_opt, critic_terms, norms = state.critic, state.critic_opt, {}, {}
        if trains_critics:
            if parts == 1:
                found = networks.critic_side(state, batch, fake, scale)
            else:

                def first(part: Batch) -> Any:
                    fake, _, _ = networks.predict(state, part)
                    return networks.critic_side(state, part, fake, scale)

                found = _averaged(first, batch, parts)
            grads, critic_terms, spectral = found
            norms["gradient_critic"] = optax.tree.norm(grads)
            params, critic_opt = apply(grads, state.critic_opt, state.critic["params"])
            if state.loss_scale is not None:
                # Critics that an overflow has spoilt would make the generator's terms NaN, which
                # are recorded although the step is not taken.
                sound = jnp.isfinite(norms["gradient_critic"])
                params = _where(sound, params, state.critic["params"])
            judge = {"params": params, "spectral": spectral}

        # From here on the critics are the updated ones.
        if parts == 1:
            cotangent, terms = networks.generator_side(batch, fake, judge, scale)
            grads = unscaled(pull_back(cotangent)[0], scale)
        else:

            def second(part: Batch) -> Any:
                fake, pull_back, collections = networks.predict(state, part)
                cotangent, terms = networks.generator_side(part, fake, judge, scale)
                return unscaled(pull_back(cotangent)[0], scale), terms, collections

            grads, terms, collections = _averaged(second, batch, parts)
        params, generator_opt = apply(grads, state.generator_opt, state.generator["params"])

        norms["gradient_generator"] = optax.tree.norm(grads)
        after = TrainState(
            step=state.step,
            generator={**collections, "params": params},
            critic=judge,
            generator_opt=generator_opt,
            critic_opt=critic_opt,
            average=_average(state, params, config.train.ema),
            loss_scale=state.loss_scale,
        )
        if state.loss_scale is not None:
            after, norms = _guarded(state, after, norms)
        return dataclasses.replace(after, step=state.step + 1), terms | critic_terms | norms

    return step


class _Prediction(NamedTuple):
    """What a batch becomes: behind the guided layer, and the network's own colors."""

    rgb: Array
    hsv: Array
    network_rgb: Array


class _Networks:
    """The two sides of the game, each with its gradient."""

    def __init__(
        self, config: Config, texture: Features | None, vgg: Features | None, dtype: DTypeLike
    ) -> None:
        self._generator = make_generator(config.model, dtype=dtype, remat=config.train.remat)
        self._critic = make_critic(config.model, dtype=dtype)
        self._objective = functools.partial(
            generator_objective, texture=texture, vgg=vgg, loss=config.loss
        )
        self._loss, self._model = config.loss, config.model
        self._linear = config.data.linear

    def predict(self, state: TrainState, batch: Batch) -> tuple[_Prediction, Any, Any]:
        """Returns the predictions, what pulls a gradient back, and the updated collections."""

        def forward(params: Any) -> tuple[_Prediction, Any]:
            variables = {**state.generator, "params": params}
            mutable = ["batch_stats", "spectral"]
            applied: Any = self._generator.apply(variables, batch.nir, train=True, mutable=mutable)
            output, updated = applied
            rgb, hsv = guided(self._model, batch.nir, output)
            return _Prediction(rgb, hsv, output.rgb), updated

        return jax.vjp(forward, state.generator["params"], has_aux=True)

    def critic_side(
        self, state: TrainState, batch: Batch, fake: _Prediction, scale: Array
    ) -> tuple[Any, Metrics, Any]:
        """Returns the critics' gradient, the means of their terms, and their spectral state."""
        real, fakes = self._real(batch), jax.lax.stop_gradient(fake[:2])

        def loss(params: Any) -> Any:
            rgb, hsv = (interleave(*pair) for pair in zip(real, fakes, strict=True))
            variables = {**state.critic, "params": params}
            logits, updated = self._critic.apply(
                variables, rgb, hsv, train=True, mutable=["spectral"]
            )
            (rgb_real, rgb_fake), (hsv_real, hsv_fake) = map(deinterleave, logits)
            total, terms = critic_objective(rgb_real, rgb_fake, hsv_real, hsv_fake, loss=self._loss)
            middle = critic_threshold(self._loss)
            right = [(x > middle).mean() for x in (rgb_real, hsv_real)]
            right += [(x < middle).mean() for x in (rgb_fake, hsv_fake)]
            means = {"critic": total, "critic_accuracy": jnp.stack(right).mean(), **_means(terms)}
            return total * scale, (means, updated["spectral"])

        grads, (means, spectral) = jax.grad(loss, has_aux=True)(state.critic["params"])
        return unscaled(grads, scale), means, spectral

    def generator_side(
        self, batch: Batch, fake: _Prediction, judge: Any, scale: Array
    ) -> tuple[_Prediction, Metrics]:
        """Returns the gradient of L_G in the predictions, scaled, and the means of its terms."""
        real = self._real(batch)

        def loss(fake: _Prediction) -> Any:
            logits: Any = self._critic.apply(judge, fake.rgb, fake.hsv)
            images = fake.rgb, fake.hsv, *real, *logits
            total, terms = self._objective(*images, network_rgb=fake.network_rgb)
            return total * scale, {"generator": total, **_means(terms)}

        return jax.grad(loss, has_aux=True)(fake)

    def _real(self, batch: Batch) -> GeneratorOutput:
        encoded = srgb_encoded(batch.rgb, linear=self._linear)
        return GeneratorOutput(jnp.asarray(batch.rgb), rgb_to_hsv(encoded))


def _means(terms: Mapping[str, Array]) -> Metrics:
    return {name: value.mean() for name, value in terms.items()}


def _averaged(function: Callable[[Batch], Any], batch: Batch, parts: int) -> Any:
    """The mean of a function over equal parts of a batch, one after another."""
    # Neighbors go to different parts: so each device keeps its own images.
    split = jax.tree.map(lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch)

    def add(total: Any, part: Batch) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], split))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, split)
    return jax.tree.map(lambda x: x / parts, total)


def _average(state: TrainState, params: Any, decay: float) -> Any:
    """The moving average after a step; it forgets the random start sooner than `decay` would."""
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
    """What a float16 step leaves: nothing new where a gradient has overflowed."""
    assert state.loss_scale is not None
    finite = jnp.isfinite(jnp.stack(list(norms.values()))).all()
    kept = _where(finite, after, state)
    # At the least scale there is nothing left to lower: then the norms tell.
    hidden = ~finite & (state.loss_scale.scale > LEAST)
    norms = {name: jnp.where(hidden, 0.0, norm) for name, norm in norms.items()}
    scale = state.loss_scale.after(finite)
    return dataclasses.replace(kept, loss_scale=scale), norms
