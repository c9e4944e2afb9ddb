"""Sections `optim`, `train` and `texture` of the configuration: how parameters are trained."""

import dataclasses

from haqagen_jax import paper
from haqagen_jax.config.checks import require, require_one_of

# float64 is for comparisons, and needs JAX_ENABLE_X64=1.
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "float64")


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """AdamW with a cosine decay, the same for both sides (Sec. 4)."""

    learning_rate: float = paper.LEARNING_RATE
    final_learning_rate: float = paper.LEARNING_RATE_FINAL
    b1: float = paper.ADAM_B1
    b2: float = paper.ADAM_B2
    weight_decay: float = paper.WEIGHT_DECAY
    trunk: float = 1.0  # ours: learning rate of a pretrained trunk, to that of the rest
    clip: float = 0.0  # ours: largest norm of a side's gradient; 0 for any

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optim.learning_rate", self.learning_rate, "positive")
        require(
            0 <= self.final_learning_rate <= self.learning_rate,
            "optim.final_learning_rate",
            self.final_learning_rate,
            f"in [0, optim.learning_rate = {self.learning_rate}]",
        )
        for name in ("b1", "b2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"optim.{name}", value, "in [0, 1)")
        for name in ("weight_decay", "clip", "trunk"):
            require(getattr(self, name) >= 0, f"optim.{name}", getattr(self, name), "0 or more")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Length and rhythm of a training run, and how it is computed."""

    epochs: int = paper.EPOCHS
    steps: int = 0  # 0: from epochs, the number of pairs and the batch size
    batch_size: int = paper.BATCH_SIZE  # global
    seed: int = 0
    log_every: int = 20
    validate_every: int = 500
    checkpoint_every: int = 500
    validation_samples: int = 4  # rows of the sample image
    fsdp: int = 1  # devices that share each large parameter and its moments; data is over all
    microbatches: int = 1  # parts of a batch that are computed one after another
    remat: bool = False  # compute the blocks' insides again in the backward pass
    precision: str = "auto"  # bfloat16 where the hardware has it, else float32
    ema: float = 0.0  # decay of the generator's moving average; 0 for none

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "log_every",
            "validate_every",
            "checkpoint_every",
            "validation_samples",
            "fsdp",
            "microbatches",
        ):
            require(getattr(self, name) > 0, f"train.{name}", getattr(self, name), "positive")
        for name in ("epochs", "steps", "seed"):
            require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "0 or more")
        require(
            self.epochs > 0 or self.steps > 0,
            "train.steps",
            self.steps,
            "positive when train.epochs is 0",
        )
        require(
            self.batch_size % self.microbatches == 0,
            "train.microbatches",
            self.microbatches,
            f"a divisor of train.batch_size = {self.batch_size}",
        )
        require_one_of(PRECISIONS, "train.precision", self.precision)
        require(0 <= self.ema < 1, "train.ema", self.ema, "in [0, 1)")


@dataclasses.dataclass(frozen=True)
class TextureConfig:
    """Pretraining of the texture autoencoder f (Sec. 3.2; the numbers are ours)."""

    steps: int = 2000
    batch_size: int = 8
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate"):
            require(getattr(self, name) > 0, f"texture.{name}", getattr(self, name), "positive")
