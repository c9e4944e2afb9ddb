"""One training step: its order, its gradients, and what it leaves alone."""

import collections
import colorsys
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.artifact import flatten
from haqagen_jax.config.schema import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from haqagen_jax.errors import InputError
from haqagen_jax.models import factory
from haqagen_jax.models.generator import Generator
from haqagen_jax.models.generator_output import GeneratorOutput
from haqagen_jax.ops.color import rgb_to_hsv, srgb_to_linear
from haqagen_jax.train.sharding import make_mesh, place_batch, replicated
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

TINY = ModelConfig(width=8, d_state=2, spade_hidden=4, hsv_width=4, critic_width=4)
PIXELS = LossConfig(feature=0.0)
ALL_TERMS = {
    f"{term}_{space}"
    for term in ("adversarial", "mse", "texture_l2", "texture_cosine", "cdf", "vgg", "critic")
    for space in ("rgb", "hsv")
} | {"generator", "critic", "gradient_generator", "gradient_critic", "critic_accuracy"}


def random_batch(size: int, side: int) -> Batch:
    rng = np.random.default_rng(0)
    nir = rng.random((size, side, side, 1), np.float32)
    return Batch(nir, rng.random((size, side, side, 3), np.float32))


def features(channels: int):
    """A feature network of one layer; its weights are captured, as those of f and g are."""
    weights = jax.random.normal(jax.random.key(5), (3, channels))

    def network(image):
        return jnp.tanh(image[:, ::4, ::4] @ weights)

    return network, weights


def create(key: jax.Array, config: Config):
    """The initial state with a critic that is sure of some patches already.

    From zero, all its answers lie between the hinges, and the gradient of its last bias is the
    rounding of zero, which AdamW turns into a full step up or down.
    """
    state = create_state(key, config, steps=10)
    params = state.critic["params"]
    sure = {**params, "trunk_3": {**params["trunk_3"], "bias": jnp.ones(1)}}
    return dataclasses.replace(state, critic={**state.critic, "params": sure})


def initial(config: Config):
    return jax.jit(create, static_argnames="config")(jax.random.key(0), config)


def gradients(opt_state) -> dict:
    """Of the first step: the first moment is their share 1 - b1."""
    return jax.tree.map(lambda m: m / (1 - OptimConfig.b1), opt_state[0].mu)


def assert_close(ours, theirs, *, relative: float):
    """Equal to a share of each array's largest value."""
    ours, theirs = flatten(ours), flatten(theirs)
    assert ours.keys() == theirs.keys()
    for name, x in theirs.items():
        atol = relative * float(np.abs(x).max())
        np.testing.assert_allclose(ours[name], x, rtol=0, atol=atol, err_msg=name)


# The true networks, once.


@pytest.mark.slow
def test_a_step_of_the_true_networks(monkeypatch):
    config = Config(model=TINY)
    texture, texture_weights = features(5)
    vgg, vgg_weights = features(7)
    weights_before = np.asarray(texture_weights), np.asarray(vgg_weights)
    forward, calls = Generator.__call__, []

    def counted(self, *args, **kwargs):
        calls.append(1)
        return forward(self, *args, **kwargs)

    state = initial(config)
    before = jax.device_get(state)
    step = jax.jit(make_train_step(config, steps=10, texture=texture, vgg=vgg), donate_argnums=0)
    monkeypatch.setattr(Generator, "__call__", counted)
    after, metrics = jax.device_get(step(state, random_batch(1, 256)))

    assert len(calls) == 1  # in the traced computation
    assert int(after.step) == 1
    assert metrics.keys() == ALL_TERMS
    for name, value in metrics.items():
        assert np.shape(value) == (), name
        assert np.isfinite(value), name
    for network in ("generator", "critic"):
        old, new = flatten(getattr(before, network)), flatten(getattr(after, network))
        assert old.keys() == new.keys()
        still = {name for name in old if np.array_equal(old[name], new[name])}
        assert sorted(still) == sorted(name for name in old if at_rest(name, still)), network
        assert all(np.isfinite(x).all() for x in new.values()), network
    np.testing.assert_array_equal(texture_weights, weights_before[0])
    np.testing.assert_array_equal(vgg_weights, weights_before[1])


def at_rest(name: str, still: set[str]) -> bool:
    """What the first step does not move, or may not."""
    if name.startswith("params"):  # the attention begins with a weight of zero
        return any(f"cross_block/{part}/" in name for part in ("query", "key", "value"))
    # Power iteration begins at v = W u, to rounding; one output channel has one direction only.
    return name == "spectral/trunk_3/u" or (name.endswith("/v") and name in still)


# The order of things, with a small generator.


def reference_step(state, batch: Batch, config: Config, *, judge_is_updated: bool = True):
    """The step in two phases, each with its own forward pass; returns the two gradients.

    Written from Eq. (2) and (4) for the adversarial and the squared terms alone.
    """
    generator, critic = factory.make_generator(config.model), factory.make_critic(config.model)
    rgb = jnp.asarray(batch.rgb)
    real = GeneratorOutput(rgb, rgb_to_hsv(rgb))

    def predict(params):
        variables = {**state.generator, "params": params}
        return generator.apply(
            variables, batch.nir, train=True, mutable=["batch_stats", "spectral"]
        )

    def critic_loss(params, fake):
        variables = {**state.critic, "params": params}
        images = [jnp.concatenate([real[i], fake[i]]) for i in (0, 1)]
        logits, new = critic.apply(variables, *images, train=True, mutable=["spectral"])
        b = batch.nir.shape[0]
        parts = [jax.nn.relu(1 - x[:b]).mean() + jax.nn.relu(1 + x[b:]).mean() for x in logits]
        return sum(parts), new["spectral"]

    fake, collections = predict(state.generator["params"])
    critic_grads, spectral = jax.grad(critic_loss, has_aux=True)(state.critic["params"], fake)
    judge = {"params": state.critic["params"], "spectral": spectral}
    if judge_is_updated:
        judge["params"] = adamw_first_step(state.critic["params"], critic_grads, config.optim)

    def generator_loss(params):
        fake, _ = predict(params)
        logits: Any = critic.apply(judge, fake.rgb, fake.hsv)
        adversarial = sum(-x.mean() for x in logits)
        squares = sum(
            jnp.square(ours - theirs).mean() for ours, theirs in zip(fake, real, strict=True)
        )
        return config.loss.adversarial * adversarial + config.loss.mse * squares

    return critic_grads, jax.grad(generator_loss)(state.generator["params"]), collections, judge


def adamw_first_step(params, grads, optim: OptimConfig):
    """AdamW when both moments start from zero: after bias correction they are g and g squared."""

    def update(p, g):
        decay = optim.weight_decay if p.ndim > 1 else 0.0
        return p - optim.learning_rate * (g / (jnp.abs(g) + 1e-8) + decay * p)

    return jax.tree.map(update, params, grads)


def test_the_generator_answers_to_the_updated_critic(stand_in):
    config = Config(
        model=TINY,
        loss=PIXELS,
        optim=OptimConfig(learning_rate=0.02, weight_decay=0.1),
    )
    state, batch = initial(config), random_batch(2, 64)
    after, _ = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))(state, batch)
    reference = jax.jit(reference_step, static_argnames=("config", "judge_is_updated"))
    critic_grads, grads, collections, judge = reference(state, batch, config=config)

    assert_close(gradients(after.critic_opt), critic_grads, relative=1e-4)
    assert_close(gradients(after.generator_opt), grads, relative=1e-4)
    assert_close(after.critic, judge, relative=1e-4)
    expected = adamw_first_step(state.generator["params"], grads, config.optim)
    assert_close(after.generator["params"], expected, relative=1e-4)
    assert_close({k: after.generator[k] for k in collections}, collections, relative=1e-6)

    # The reference can tell: through the critic as it was, the gradient is another one.
    _, stale, _, _ = reference(state, batch, config=config, judge_is_updated=False)
    with pytest.raises(AssertionError):
        assert_close(stale, grads, relative=1e-3)


def metrics_of(config: Config, *, texture=None, vgg=None) -> set[str]:
    state = jax.eval_shape(lambda key: create_state(key, config, steps=10), jax.random.key(0))
    step = make_train_step(config, steps=10, texture=texture, vgg=vgg)
    return set(jax.eval_shape(step, state, random_batch(1, 64))[1])


@pytest.mark.parametrize(
    ("weights", "dropped"),
    [
        ({}, set()),
        ({"alpha": 0.0}, {"texture_l2"}),
        ({"alpha": 0.0, "gamma": 0.0}, {"texture_l2", "texture_cosine"}),
        ({"delta": 0.0}, {"vgg"}),
        ({"beta": 0.0}, {"cdf"}),
        ({"feature": 0.0}, {"texture_l2", "texture_cosine", "vgg", "cdf"}),
        ({"mse": 0.0}, {"mse"}),
        ({"adversarial": 0.0}, {"adversarial", "critic"}),
    ],
)
def test_a_term_of_weight_zero_is_dropped(stand_in, weights, dropped):
    config = Config(model=TINY, loss=LossConfig(**weights))
    loss = config.loss
    texture = features(5)[0] if loss.feature and (loss.alpha or loss.gamma) else None
    vgg = features(7)[0] if loss.feature and loss.delta else None
    gone = {f"{term}_{space}" for term in dropped for space in ("rgb", "hsv")}
    if "critic" in dropped:  # nobody asks them: they are not trained
        gone |= {"critic", "critic_accuracy", "gradient_critic"}
    assert metrics_of(config, texture=texture, vgg=vgg) == ALL_TERMS - gone


@pytest.mark.parametrize("microbatches", [1, 2])
def test_critics_that_nobody_asks_stay_as_they_are(stand_in, microbatches):
    loss = dataclasses.replace(PIXELS, adversarial=0.0)
    config = Config(model=TINY, loss=loss, train=TrainConfig(microbatches=microbatches))
    step = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))
    before = initial(config)
    after, _ = step(before, random_batch(2, 256))
    jax.tree.map(np.testing.assert_array_equal, after.critic, before.critic)
    jax.tree.map(np.testing.assert_array_equal, after.critic_opt, before.critic_opt)
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()), after.generator["params"], before.generator["params"]
    )
    assert all(jax.tree.leaves(moved))


def test_features_of_an_image_are_computed_once(stand_in):
    seen = collections.Counter()

    def counting(name, network):
        def count(image):
            seen[name] += 1
            return network(image)

        return count

    texture, vgg = (counting(name, features(3)[0]) for name in ("texture", "vgg"))
    config = Config(model=TINY)
    step = make_train_step(config, steps=10, texture=texture, vgg=vgg)
    jax.eval_shape(step, initial(config), random_batch(1, 64))
    assert seen == {"texture": 4, "vgg": 4}  # the truth and the prediction, in two color spaces


def test_least_squares_reach_both_sides(stand_in):
    loss = dataclasses.replace(PIXELS, mse=0.0, adversary="least_squares")
    config, batch = (
        Config(model=TINY, loss=loss, optim=OptimConfig(1e-9, 1e-9)),
        random_batch(2, 64),
    )
    state = initial(config)
    last = {**state.critic["params"]["trunk_3"], "bias": jnp.full(1, 0.5)}
    params = {**state.critic["params"], "trunk_3": last}
    state = dataclasses.replace(state, critic={**state.critic, "params": params})
    _, metrics = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))(state, batch)

    mutable = ["batch_stats", "spectral"]
    generator, critic = factory.make_generator(config.model), factory.make_critic(config.model)
    predict = jax.jit(
        lambda nir: generator.apply(state.generator, nir, train=True, mutable=mutable)
    )
    fake, _ = predict(batch.nir)
    real = jnp.asarray(batch.rgb), rgb_to_hsv(batch.rgb)
    (found, _), (wanted, _) = (
        critic.apply(state.critic, *images, train=True, mutable=mutable) for images in (fake, real)
    )
    right = []
    for space, f, r in zip(("rgb", "hsv"), found, wanted, strict=True):
        name, f, r = f"critic_{space}", np.float64(f), np.float64(r)
        np.testing.assert_allclose(metrics[name], ((r - 1) ** 2 + f**2).mean(), rtol=1e-4)
        np.testing.assert_allclose(
            metrics[f"adversarial_{space}"], ((f - 1) ** 2).mean(), rtol=1e-4
        )
        right += [(r > 0.5).mean(), (f < 0.5).mean()]
    assert 0.05 < np.mean(right) != 0.5
    np.testing.assert_allclose(metrics["critic_accuracy"], np.mean(right), atol=0.01)


def test_hsv_is_that_of_the_encoded_image(stand_in):
    config = Config(model=TINY, loss=PIXELS, data=DataConfig(rgb_transfer="linear"))
    encoded = random_batch(2, 64)
    batch = encoded._replace(rgb=np.asarray(srgb_to_linear(encoded.rgb)))
    state = initial(config)
    _, metrics = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))(state, batch)
    fake: Any = factory.make_generator(config.model).apply(state.generator, batch.nir)
    hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in encoded.rgb.reshape(-1, 3)])
    expected = np.square(fake.hsv - hsv.reshape(encoded.rgb.shape)).mean()
    np.testing.assert_allclose(metrics["mse_hsv"], expected, rtol=1e-4)


def test_a_step_in_bfloat16_keeps_float32_parameters(stand_in):
    config = Config(model=TINY, loss=PIXELS, optim=OptimConfig(learning_rate=1e-2))
    state, batch = initial(config), random_batch(2, 64)
    step = make_train_step(config, steps=10, texture=None, vgg=None, dtype=jnp.bfloat16)
    after, metrics = jax.jit(step)(state, batch)
    assert "bf16" in str(jax.make_jaxpr(step)(state, batch))
    assert all(np.isfinite(value) for value in metrics.values())
    assert {value.dtype for value in metrics.values()} == {jnp.dtype(jnp.float32)}
    counters = {jnp.dtype(jnp.int32)}
    assert {x.dtype for x in jax.tree.leaves(after)} - counters == {jnp.dtype(jnp.float32)}
    for old, new in ((state.generator, after.generator), (state.critic, after.critic)):
        moved = jax.tree.map(lambda x, y: bool((x != y).any()), old["params"], new["params"])
        assert all(jax.tree.leaves(moved))
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(new))


# Several devices.


def step_on(devices: int, config: Config, batch: Batch):
    train = TrainConfig(batch_size=len(batch.nir))
    mesh = make_mesh(train, jax.devices()[:devices])
    state = jax.device_put(initial(config), replicated(mesh))
    step = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))
    return jax.device_get(step(state, place_batch(batch, mesh)))


def assert_devices_agree(config: Config, batch: Batch, *, relative: float):
    (one, metrics), (four, metrics4) = (step_on(n, config, batch) for n in (1, 4))
    assert_close(metrics4, metrics, relative=relative)
    for name in ("generator", "critic"):
        ours, theirs = getattr(four, f"{name}_opt"), getattr(one, f"{name}_opt")
        assert_close(gradients(ours), gradients(theirs), relative=relative)
        assert_close(getattr(four, name), getattr(one, name), relative=relative)


@pytest.mark.multidevice
def test_four_devices_do_what_one_does(stand_in):
    config = Config(model=TINY, loss=PIXELS, optim=OptimConfig(learning_rate=1e-2))
    assert_devices_agree(config, random_batch(4, 64), relative=1e-4)


@pytest.mark.multidevice
def test_a_batch_must_split_evenly():
    assert make_mesh(TrainConfig(batch_size=8)).shape == {"data": 4, "fsdp": 1}
    assert make_mesh(TrainConfig(batch_size=8, fsdp=2)).shape == {"data": 2, "fsdp": 2}
    with pytest.raises(InputError, match=r"batch_size = 6: .*multiple of the 4 .*batch_size=8"):
        make_mesh(TrainConfig(batch_size=6))
    with pytest.raises(InputError, match=r"2 microbatches on 4 devices; try .*batch_size=8"):
        make_mesh(TrainConfig(batch_size=4, microbatches=2))
    with pytest.raises(InputError, match=r"train.fsdp = 3: must divide the 4 devices"):
        make_mesh(TrainConfig(batch_size=8, fsdp=3))
