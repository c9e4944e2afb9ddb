"""What a run is told: dataclasses, their checks, and the files of configs/."""

from haqagen_jax.config.schema import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    TextureConfig,
    TrainConfig,
)

__all__ = [
    "Config",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "TextureConfig",
    "TrainConfig",
]
