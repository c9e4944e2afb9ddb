"""The small generator in the place of the true one; data for whole runs."""

import dataclasses
import functools
from pathlib import Path

import pytest

from haqagen_jax.config.schema import Config, TrainConfig
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.models import factory
from haqagen_jax.run import setup


@pytest.fixture(scope="session")
def run_config() -> Config:
    """Of a short run."""
    return Config.from_dict(
        {
            "model": {
                "width": 8,
                "d_state": 2,
                "spade_hidden": 4,
                "hsv_width": 4,
                "critic_width": 4,
            },
            "data": {"precrop": 0},
            "loss": {"feature": 0},
            "optim": {"learning_rate": 1e-2},
            "train": {
                "steps": 5,
                "batch_size": 4,
                "log_every": 1,
                "validate_every": 4,
                "checkpoint_every": 2,
                "validation_samples": 2,
            },
        }
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Three pairs to train with and three to validate."""
    folder = tmp_path_factory.mktemp("data")
    depths = [Depth.PNG_8, Depth.TIFF_16]
    write_pairs(folder / "train", count=3, sizes=[(256, 256), (270, 300)], depths=depths, seed=0)
    write_pairs(folder / "val", count=3, sizes=[(256, 280)], depths=depths, seed=7)
    return folder


@pytest.fixture(scope="module")
def small(small_generator, run_config):
    """Small networks; runs that differ in rhythm alone share a step, so that it compiles once."""
    make = functools.cache(setup.make_train_step)

    def shared(config: Config, **options):
        return make(dataclasses.replace(config, train=TrainConfig(ema=config.train.ema)), **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "Generator", small_generator)
        patch.setattr(setup, "make_train_step", shared)
        yield run_config
