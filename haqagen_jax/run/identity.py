"""Identity of a run: the settings that shape its result, and the hash of its parameters."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from haqagen_jax.artifact import TENSOR_FILE, flatten
from haqagen_jax.config.schema import Config
from haqagen_jax.data.pair import Pair
from haqagen_jax.losses.objective import needs_vgg
from haqagen_jax.system import strict_json

_DIGITS = 16  # of a SHA-256, in hexadecimal: enough to tell, and short enough to read


def run_settings(
    config: Config, *, steps: int, pairs: Sequence[Pair], texture: Path | None, dtype: np.dtype
) -> dict[str, Any]:
    """Collect the settings that must not change when a training run continues.

    Args:
        config: The run's configuration.
        steps: Length of the run.
        pairs: The training split.
        texture: Directory of f; None if the loss does not use it.
        dtype: What the run computes in.

    Returns:
        Name to JSON value, without those that may change, as the rhythm of the log.
    """
    rhythm = ("log_every", "validate_every", "checkpoint_every", "validation_samples")
    # Steps replace epochs; the others change how the result is computed, not the result.
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
    # The data come first, because another number of pairs may change the steps, too, and the
    # message shall name the cause.
    settings = data_settings(pairs) | settings
    settings |= {"train.steps": steps, "train.precision": str(dtype)}
    if texture is not None:
        digest = hashlib.sha256((texture / TENSOR_FILE).read_bytes()).hexdigest()
        settings["texture autoencoder"] = f"SHA-256 {digest[:_DIGITS]}"
    return settings


def data_settings(pairs: Sequence[Pair]) -> dict[str, str]:
    """Identify a training split by a hash of the names of its pairs.

    Args:
        pairs: In the order of their indices, which the order of the batches follows.

    Returns:
        One setting: name to description.
    """
    names = strict_json.dumps([pair.name for pair in pairs])
    digest = hashlib.sha256(names.encode()).hexdigest()
    return {"training data": f"{len(pairs)} pairs (names' SHA-256 {digest[:_DIGITS]})"}


def fingerprint(tree: Any) -> str:
    """Hash arrays: equal names, shapes, types and bits give equal fingerprints.

    Args:
        tree: Nested mappings of arrays.

    Returns:
        A SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    for name, array in sorted(flatten(tree).items()):
        values = np.ascontiguousarray(array)
        digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
