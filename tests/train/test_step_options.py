"""Parts of a batch, recomputation, float16, clipping and the moving average: what they change."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from haqagen_jax.artifact import flatten
from haqagen_jax.config.schema import Config, LossConfig, ModelConfig, OptimConfig, TrainConfig
from haqagen_jax.models.factory import init_generator, make_generator
from haqagen_jax.train.precision import GROW_AFTER, LEAST, START, LossScale
from haqagen_jax.train.state import create_state
from haqagen_jax.train.step import make_train_step
from haqagen_jax.types import Batch

TINY = ModelConfig(width=8, d_state=2, spade_hidden=4, hsv_width=4, critic_width=4)
PIXELS = LossConfig(feature=0.0)


def config_of(*, learning_rate=1e-2, clip=0.0, **train) -> Config:
    optim = OptimConfig(learning_rate=learning_rate, final_learning_rate=0.0, clip=clip)
    return Config(model=TINY, loss=PIXELS, optim=optim, train=TrainConfig(**train))


def random_batch(size: int, side: int = 64) -> Batch:
    rng = np.random.default_rng(0)
    nir = rng.random((size, side, side, 1), np.float32)
    return Batch(nir, rng.random((size, side, side, 3), np.float32))


def initial(config: Config, dtype=jnp.float32):
    make = functools.partial(create_state, config=config, steps=10, dtype=dtype)
    return jax.jit(make)(jax.random.key(0))


def run(config: Config, batch: Batch, *, steps: int = 1, dtype=jnp.float32, state=None):
    state = initial(config, dtype) if state is None else state
    step = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None, dtype=dtype))
    for _ in range(steps):
        state, metrics = step(state, batch)
    return jax.device_get((state, metrics))


def assert_close(ours, theirs, *, relative: float):
    """Equal to a share of each array's largest value, but for the rounding of terms that cancel, as
    in the gradient of the critics' last bias."""
    ours, theirs = flatten(ours), flatten(theirs)
    assert ours.keys() == theirs.keys()
    for name, x in theirs.items():
        atol = relative * float(np.abs(x).max()) + 1e-7
        np.testing.assert_allclose(ours[name], x, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_of_a_batch_give_its_gradient(stand_in, parts):
    """The parts hold the same images, because batch norm sees one part at a time."""
    pair = random_batch(2)
    # Neighbors go to different parts, so each part gets both images.
    whole = Batch(*(np.repeat(x, parts, axis=0) for x in pair))
    (state, metrics), (parted, parted_metrics) = (
        # AdamW makes a step of any gradient, be it all rounding: a low rate keeps it small.
        run(config_of(learning_rate=1e-7, batch_size=2 * parts, microbatches=n), whole)
        for n in (1, parts)
    )
    assert_close(parted_metrics, metrics, relative=1e-5)
    for side in ("generator", "critic"):
        old, new = getattr(state, f"{side}_opt"), getattr(parted, f"{side}_opt")
        assert_close(new[0].mu, old[0].mu, relative=1e-4)
        others = {k: v for k, v in getattr(state, side).items() if k != "params"}
        ours = {k: v for k, v in getattr(parted, side).items() if k != "params"}
        assert_close(ours, others, relative=1e-5)


def test_different_parts_are_all_seen(stand_in):
    batch, config = random_batch(4), config_of(batch_size=1)
    _, metrics = run(config_of(batch_size=4, microbatches=4), batch)
    step = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))
    state = initial(config)
    singles = [step(state, Batch(*(x[i : i + 1] for x in batch)))[1] for i in range(4)]
    for name in ("mse_rgb", "mse_hsv", "critic_rgb", "critic_accuracy"):
        np.testing.assert_allclose(metrics[name], np.mean([m[name] for m in singles]), rtol=1e-5)


@pytest.mark.slow
def test_recomputation_changes_no_gradient():
    """Of the true generator: the blocks that are computed again are its own.

    In float64: a deep network spreads float32's rounding of another order of sums up to 1e-3.
    """
    with jax.enable_x64(True):
        variables = jax.jit(functools.partial(init_generator, model=TINY))(jax.random.key(1))
        variables = jax.tree.map(lambda x: x.astype(jnp.float64), variables)
        nir = jnp.asarray(random_batch(1, 256).nir, jnp.float64)

        def gradient(remat: bool):
            network = make_generator(TINY, dtype=jnp.float64, remat=remat)

            def total(params):
                out, _ = network.apply(
                    {**variables, "params": params},
                    nir,
                    train=True,
                    mutable=["batch_stats", "spectral"],
                )
                return jnp.sin(out.rgb).sum() + jnp.square(out.hsv).sum()

            return jax.value_and_grad(total)

        kept = [
            len(jax.make_jaxpr(gradient(remat))(variables["params"]).pretty_print())
            for remat in (False, True)
        ]
        assert kept[1] > kept[0]  # more is computed
        (value, grads), (again, regrads) = (
            jax.device_get(jax.jit(gradient(remat))(variables["params"])) for remat in (False, True)
        )
    np.testing.assert_allclose(again, value, rtol=1e-12)
    # Against the largest of all: the gradient of a bias before a norm is zero but for rounding.
    largest = max(float(np.abs(x).max()) for x in jax.tree.leaves(grads))
    for name, x in flatten(grads).items():
        np.testing.assert_allclose(
            flatten(regrads)[name], x, rtol=1e-9, atol=1e-12 * largest, err_msg=name
        )


def test_float16_follows_float32(stand_in):
    config, batch = config_of(learning_rate=1e-3), random_batch(2)
    _, metrics = run(config, batch, steps=4)
    state, halves = run(config, batch, steps=4, dtype=jnp.float16)
    assert state.loss_scale.scale == START
    assert state.loss_scale.streak == 4
    for name, value in metrics.items():
        np.testing.assert_allclose(halves[name], value, rtol=0.05, atol=2e-3, err_msg=name)


def test_a_float16_step_that_overflows_changes_nothing_but_the_scale(stand_in):
    config, batch = config_of(ema=0.9), random_batch(2)
    state = initial(config, jnp.float16)
    high = dataclasses.replace(state, loss_scale=LossScale(jnp.float32(2.0**40), jnp.int32(7)))
    after, metrics = run(config, batch, dtype=jnp.float16, state=high)
    assert after.step == 1
    assert after.loss_scale == LossScale(2.0**39, 0)
    assert metrics["gradient_generator"] == metrics["gradient_critic"] == 0
    assert all(np.isfinite(value) for value in metrics.values())
    for name in ("generator", "critic", "generator_opt", "critic_opt", "average"):
        old, new = (jax.tree.leaves(getattr(s, name)) for s in (state, after))
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True)), name
    bad = Batch(np.full_like(batch.nir, np.nan), batch.rgb)
    low = dataclasses.replace(state, loss_scale=LossScale(jnp.float32(LEAST), jnp.int32(0)))
    _, metrics = run(config, bad, dtype=jnp.float16, state=low)
    assert not np.isfinite(metrics["gradient_generator"])  # nothing left to lower


def test_the_scale_grows_after_a_long_streak():
    scale = LossScale(jnp.float32(8.0), jnp.int32(GROW_AFTER - 1)).after(jnp.array(True))
    assert (scale.scale, scale.streak) == (16.0, 0)
    assert LossScale(jnp.float32(LEAST), jnp.int32(3)).after(jnp.array(False)).scale == LEAST


def test_clipping_bounds_the_gradient_that_the_optimizer_sees(stand_in):
    batch = random_batch(2)
    state, metrics = run(config_of(learning_rate=1e-6), batch)
    clip = float(min(metrics["gradient_generator"], metrics["gradient_critic"])) / 4
    clipped, same = run(config_of(learning_rate=1e-6, clip=clip), batch)
    # The norms are those before clipping. AdamW's first step is the gradient's sign, nearly.
    assert_close(same, metrics, relative=1e-4)
    for side in ("generator", "critic"):
        before = getattr(state, f"{side}_opt")[0].mu
        after = getattr(clipped, f"{side}_opt")[1][0].mu
        share = clip / metrics[f"gradient_{side}"]
        assert_close(after, jax.tree.map(lambda x, share=share: x * share, before), relative=1e-3)


def test_the_moving_average_follows_the_parameters(stand_in):
    config, batch = config_of(ema=0.2), random_batch(2)
    state = initial(config)
    step = jax.jit(make_train_step(config, steps=10, texture=None, vgg=None))
    expected = jax.tree.map(np.float64, state.generator["params"])
    for index in range(4):
        state, _ = step(state, batch)
        keep = min(0.2, (1 + index) / (10 + index))  # 1/10, 2/11, then 0.2
        expected = jax.tree.map(
            lambda a, x, keep=keep: keep * a + (1 - keep) * np.float64(x),
            expected,
            state.generator["params"],
        )
    assert_close(jax.device_get(state.average), expected, relative=1e-5)
    assert state.judged["params"] is state.average
    assert state.judged["batch_stats"] is state.generator["batch_stats"]
    off = initial(config_of())
    assert off.average is None
    assert off.judged is off.generator
