"""Gradients of both sides of the adversarial game, each with its terms.

`Networks` holds the generator and the critics as functions of a `TrainState`; the optimizers and
the order of the updates are those of `haqagen_jax.train.step`. All losses are multiplied by a
scale, which float16 needs; gradients of parameters are returned without it.

Reference: HAQAGen Sec. 3.2, Eq. (2) to (4).
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from haqagen_jax.config.schema import LossConfig, ModelConfig
from haqagen_jax.losses.objective import (
    Features,
    critic_objective,
    critic_threshold,
    generator_objective,
)
from haqagen_jax.models.factory import make_critic, make_generator
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.ops.color import rgb_to_hsv, srgb_encoded
from haqagen_jax.ops.pairing import deinterleave, interleave
from haqagen_jax.train.guided import guided
from haqagen_jax.train.precision import unscaled
from haqagen_jax.train.state import TrainState
from haqagen_jax.types import Batch

Metrics = dict[str, Array]


class Prediction(NamedTuple):
    """What a batch becomes: behind the guided layer, and the network's own colors."""

    rgb: Array
    hsv: Array
    network_rgb: Array


class Forward(NamedTuple):
    """The generator's forward pass over a batch.

    Attributes:
        prediction: Colors of the batch.
        pull_back: Maps a gradient in the prediction to one in the generator's parameters.
        collections: The generator's other variables (batch statistics, spectral vectors), updated.
    """

    prediction: Prediction
    pull_back: Callable[[Prediction], tuple[Any]]
    collections: Any


class Networks:
    """The generator and the critics of a configuration, with their objectives."""

    def __init__(
        self,
        model: ModelConfig,
        loss: LossConfig,
        *,
        linear: bool,
        remat: bool,
        texture: Features | None,
        vgg: Features | None,
        dtype: DTypeLike,
    ) -> None:
        """Build the networks.

        Args:
            model: Which networks, and their sizes.
            loss: Weights and forms of the objectives' terms.
            linear: Whether colors are linear light instead of sRGB-encoded.
            remat: Whether blocks are computed again in the backward pass.
            texture: Image to features of the frozen f; None if its weights in `loss` are 0.
            vgg: Image to features of the frozen g; None if `loss.delta` is 0.
            dtype: What convolutions and projections compute in.
        """
        self._generator = make_generator(model, dtype=dtype, remat=remat)
        self._critic = make_critic(model, dtype=dtype)
        self._objective = functools.partial(
            generator_objective, texture=texture, vgg=vgg, loss=loss
        )
        self._loss, self._model, self._linear = loss, model, linear

    def predict(self, state: TrainState, batch: Batch) -> Forward:
        """Run the generator's forward pass in training mode.

        Args:
            state: Whose generator predicts.
            batch: Images in [0, 1]; only its NIR images are read.

        Returns:
            The forward pass, through which a gradient can be pulled back.
        """

        def forward(params: Any) -> tuple[Prediction, Any]:
            variables = {**state.generator, "params": params}
            mutable = ["batch_stats", "spectral"]
            applied: Any = self._generator.apply(variables, batch.nir, train=True, mutable=mutable)
            output, updated = applied
            rgb, hsv = guided(self._model, batch.nir, output)
            return Prediction(rgb, hsv, output.rgb), updated

        return Forward(*jax.vjp(forward, state.generator["params"], has_aux=True))

    def critic_side(
        self, state: TrainState, batch: Batch, fake: Prediction, scale: Array
    ) -> tuple[Any, Metrics, Any]:
        """Compute the gradient of the critics' objective.

        Args:
            state: Whose critics judge.
            batch: The true images.
            fake: Predictions of the same batch; no gradient flows into them.
            scale: Factor of the loss in the backward pass, a scalar.

        Returns:
            The gradient in the critics' parameters, unscaled; the means of their terms; and their
            updated spectral vectors.
        """
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
        self, batch: Batch, forward: Forward, critic: Any, scale: Array
    ) -> tuple[Any, Metrics]:
        """Compute the gradient of L_G, Eq. (4).

        Args:
            batch: The true images.
            forward: The generator's forward pass over the same batch.
            critic: Variables of the critics that judge the predictions.
            scale: Factor of the loss in the backward pass, a scalar.

        Returns:
            The gradient in the generator's parameters, unscaled, and the means of its terms.
        """
        real = self._real(batch)

        def loss(fake: Prediction) -> Any:
            logits: Any = self._critic.apply(critic, fake.rgb, fake.hsv)
            images = fake.rgb, fake.hsv, *real, *logits
            total, terms = self._objective(*images, network_rgb=fake.network_rgb)
            return total * scale, {"generator": total, **_means(terms)}

        cotangent, means = jax.grad(loss, has_aux=True)(forward.prediction)
        return unscaled(forward.pull_back(cotangent)[0], scale), means

    def _real(self, batch: Batch) -> GeneratorOutput:
        encoded = srgb_encoded(batch.rgb, linear=self._linear)
        return GeneratorOutput(jnp.asarray(batch.rgb), rgb_to_hsv(encoded))


def _means(terms: Mapping[str, Array]) -> Metrics:
    return {name: value.mean() for name, value in terms.items()}


def averaged(function: Callable[[Batch], Any], batch: Batch, parts: int) -> Any:
    """Average a function over the microbatches of a batch, computed one after another.

    Args:
        function: Of one microbatch; returns a tree of arrays.
        batch: Arrays whose first axis `parts` divides.
        parts: Number of microbatches, of equal size.

    Returns:
        The tree of the means.
    """
    # Neighbors go to different parts, so that each device keeps its own images.
    split = jax.tree.map(lambda x: x.reshape(-1, parts, *x.shape[1:]).swapaxes(0, 1), batch)

    def add(total: Any, part: Batch) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], split))
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, split)
    return jax.tree.map(lambda x: x / parts, total)
