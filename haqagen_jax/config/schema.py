"""The configuration: frozen dataclasses, built once from nested dicts.

A `ConfigDict` lives at the command line only; everything inside the package takes these classes.
Unknown keys and bad values fail here, by name, before anything else happens. Defaults are the
paper's (`haqagen_jax.paper`); what the paper leaves open is marked "ours". The keys of the sections
stand in `model.py`, `data.py`, `loss.py` and `train.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from haqagen_jax.config.checks import build, require_known
from haqagen_jax.config.data import DataConfig
from haqagen_jax.config.loss import LossConfig
from haqagen_jax.config.model import ModelConfig
from haqagen_jax.config.train import OptimConfig, TextureConfig, TrainConfig

__all__ = [
    "Config",
    "DataConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "TextureConfig",
    "TrainConfig",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything a run depends on besides its data."""

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    texture: TextureConfig = dataclasses.field(default_factory=TextureConfig)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """Build a configuration from nested mappings.

        Args:
            values: Section name to mapping of key to value; what is left out keeps its default.

        Returns:
            The configuration, every value of it checked.

        Raises:
            InputError: Unknown section or key, or a value of another type or out of range.
        """
        sections = {field.name: field.type for field in dataclasses.fields(cls)}
        built = {}
        for name, section in values.items():
            require_known(name, sections, "section")
            built[name] = build(sections[name], name, section)  # pyright: ignore
        return cls(**built)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Convert the configuration to nested dicts; the inverse of `from_dict`.

        Returns:
            Section name to dict of key to value, which JSON can hold.
        """
        return dataclasses.asdict(self)
