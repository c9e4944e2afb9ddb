"""What must not change between the parts of a run: everything that shapes its result."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haqagen_jax.artifact import TENSOR_FILE
from haqagen_jax.config.schema import Config
from haqagen_jax.data.pair import Pair
from haqagen_jax.losses.objective import needs_vgg
from haqagen_jax.system import strict_json

_DIGITS = 16  # of a SHA-256, in hexadecimal: enough to tell, and short enough to read


def run_settings(
    config: Config, *, steps: int, pairs: Sequence[Pair], texture: Path | None, dtype: np.dtype
) -> dict[str, Any]:
    """Lists the settings of a training run.

    Args:
        config: the run's configuration.
        steps: its length.
        pairs: its training split.
        texture: the directory of f; None if the loss does not use it.
        dtype: what it computes in.

    Returns:
        Name to JSON value, without what may change, as the rhythm of the log.
    """
    rhythm = ("log_every", "validate_every", "checkpoint_every", "validation_samples")
    # Steps say all that epochs do. The others change how it is computed, not what.
    free = {f"train.{name}" for name in (*rhythm, "epochs", "fsdp", "remat")} | {"data.workers"}
    if not needs_vgg(config.loss):
        free.add("loss.vgg_network")
    settings = {
        f"{section}.{name}": value
        for section, values in config.to_dict().items()
        for name, value in values.items()
        if section != "texture" and f"{section}.{name}" not in free
    }
    settings["data.nir_percentiles"] = list(settings["data.nir_percentiles"])  # as JSON has it
    # The data first: another number of pairs is other steps too, where they come from epochs.
    settings = data_settings(pairs) | settings
    settings |= {"train.steps": steps, "train.precision": str(dtype)}
    if texture is not None:
        digest = hashlib.sha256((texture / TENSOR_FILE).read_bytes()).hexdigest()
        settings["texture autoencoder"] = f"SHA-256 {digest[:_DIGITS]}"
    return settings


def data_settings(pairs: Sequence[Pair]) -> dict[str, str]:
    """Tells one training split from another, by the names of its pairs.

    Args:
        pairs: in the order of their indices, which the order of the batches follows.
    """
    names = strict_json.dumps([pair.name for pair in pairs])
    digest = hashlib.sha256(names.encode()).hexdigest()
    return {"training data": f"{len(pairs)} pairs (names' SHA-256 {digest[:_DIGITS]})"}
