"""Pretrain the texture autoencoder f: once, on the union of the training splits, then frozen.

Runs on one device. A run that was stopped continues from its last checkpoint, data order included;
a finished one is not repeated. The result is `texture/` in the work directory: `config.json`, which
is written last, `model.safetensors` in float32, and the losses in `metrics.jsonl`.
"""

import dataclasses
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from haqagen_jax import artifact
from haqagen_jax.artifact import CONFIG_FILE, TENSOR_FILE
from haqagen_jax.config.schema import Config, TextureConfig
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pipeline import TrainIterator, train_iterator
from haqagen_jax.errors import InputError, reason
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.run.checkpoint import Checkpoints
from haqagen_jax.run.data_check import DataCheck
from haqagen_jax.run.identity import data_settings
from haqagen_jax.run.workdir import require_workdir
from haqagen_jax.run.writer import MetricsFile
from haqagen_jax.system import strict_json
from haqagen_jax.system.console import bars
from haqagen_jax.system.device_memory import enough_memory
from haqagen_jax.train.texture_step import TextureState, create_texture_state, texture_step

FORMAT = "haqagen-jax-texture"
FORMAT_VERSION = 1
METRICS_FILE = "metrics.jsonl"
CHECKPOINTS = "checkpoints"  # removed when the run is finished


def pretrain_texture(
    directories: Sequence[str | Path], workdir: str | Path, config: Config, *, progress: bool = True
) -> Path:
    """Train f on the union of the training splits, or finish a run that was stopped.

    Args:
        directories: Data directories; only their training splits are read.
        workdir: Work directory; f goes to its sub-directory `texture`.
        config: Used are its sections `texture` and `data`, and `train.seed`, `train.log_every` and
            `train.checkpoint_every`.
        progress: Show a bar in a terminal, a line every `train.log_every` steps elsewhere.

    Returns:
        The directory that `load_texture` reads.

    Raises:
        InputError: An unusable work directory, unusable data, a started run with other settings, a
            loss that is no longer finite, or files that cannot be written. Faulty pairs, see
            `haqagen_jax.run.data_check`.

    Reference: Sec. 3.2, "Autoencoder pretraining".
    """
    directory = Path(workdir) / "texture"
    require_workdir(directory)
    if (directory / CONFIG_FILE).exists():
        load_texture(directory)
        print(f"{directory} is already trained; delete it to train again.")
        return directory
    # f is trained once for all experiments, so on sRGB, whatever the generator predicts.
    data = dataclasses.replace(config.data, rgb_transfer="srgb")
    pairs = split_pairs(directories, "train")
    # Every patch is seen as RGB and as HSV, each of which is half of the batch.
    patches = max(1, config.texture.batch_size // 2)
    batches = train_iterator(pairs, data, batch_size=patches, seed=config.train.seed)
    directory.mkdir(parents=True, exist_ok=True)
    settings = _settings(config) | data_settings(pairs)
    memory = enough_memory("a step of the texture autoencoder", "lower texture.batch_size")
    with memory, DataCheck(pairs) as check:
        state, loss = _run(directory, config, batches, settings, check, progress=progress)
    facts = {"images": len(pairs), "steps": config.texture.steps, "loss": loss}
    _save(directory, state.params, config.texture, facts)
    shutil.rmtree(directory / CHECKPOINTS)
    print(f"Texture autoencoder: {directory} ({len(pairs)} images, mean squared error {loss:.5f})")
    return directory


def load_texture(directory: str | Path) -> dict[str, Any]:
    """Read the parameters of the frozen texture autoencoder f.

    Args:
        directory: `texture` in the work directory of `pretrain_texture`.

    Returns:
        Parameters of `TextureAutoencoder`, float32 NumPy arrays.

    Raises:
        InputError: Nothing there, another version, a damaged file, a missing or extra tensor.
    """
    directory = Path(directory)
    path = directory / CONFIG_FILE
    command = f"run `haqagen pretrain-texture --data DIR --workdir {directory.parent}`"
    if not path.exists():
        raise InputError(f"{directory}: no trained texture autoencoder; {command} first")
    try:
        description = strict_json.loads(path.read_bytes())
        version = (description["format"], description["format_version"])
        tensors = load_file(directory / TENSOR_FILE)
        artifact.require_finite(tensors, directory / TENSOR_FILE, "the training had diverged")
        variables = artifact.unflatten(tensors)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(
            f"{directory}: damaged ({reason(error)}); delete it and {command}"
        ) from None
    if version != (FORMAT, FORMAT_VERSION):
        raise InputError(
            f"{path}: is {version[0]} {version[1]}, this version reads {FORMAT} {FORMAT_VERSION}; "
            f"delete it and {command}"
        )
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    expected = jax.eval_shape(TextureAutoencoder().init, jax.random.key(0), image)
    artifact.check(variables, expected, str(directory))
    return variables["params"]


def _run(
    directory: Path,
    config: Config,
    batches: TrainIterator,
    settings: Mapping[str, Any],
    check: DataCheck,
    *,
    progress: bool,
) -> tuple[TextureState, float]:
    """Run from the last checkpoint to the end, and return the state and the last loss."""
    steps, train = config.texture.steps, config.train
    state = create_texture_state(jax.random.key(train.seed), config.texture)
    with Checkpoints(directory / CHECKPOINTS) as checkpoints, bars(progress) as bar:
        restored = checkpoints.restore(state, settings=settings)
        if restored is not None:
            state, position = restored
            batches.set_state(position["batches"])
        start, loss, since = int(state.step), float("nan"), time.monotonic()
        metrics = MetricsFile(directory / METRICS_FILE, start=start)
        task = bar.add_task("texture", total=steps, completed=start)

        def save(step: int, position: Mapping[str, Any]) -> None:
            facts = {"settings": settings, "position": {"batches": position}}
            checkpoints.save(step, state, **facts, config=config.to_dict())

        for step in range(start + 1, steps + 1):
            position = batches.get_state()
            try:
                rgb = next(batches).rgb
            except InputError as error:
                if checkpoints.latest < step - 1:
                    save(step - 1, position)
                    checkpoints.wait()
                raise check.explain(error, checkpoints.latest) from None
            state, value = texture_step(state, jnp.asarray(rgb))
            if step % train.log_every == 0 or step == steps:
                loss, now = float(value), time.monotonic()
                _require_finite(step, loss, config.texture)
                rate = train.log_every / (now - since)
                since = now
                metrics.write(step, {"loss": loss})
                line = f"texture: mse {loss:.5f}, {rate:.2f} steps/s"
                bar.update(task, description=line)
                if progress and not bar.console.is_terminal:
                    bar.console.print(f"step {step}/{steps}, {line}")
            # The last state is not saved here, because it becomes the result.
            failed = check.failed
            if step < steps and (step % train.checkpoint_every == 0 or failed):
                save(step, batches.get_state())
            if step < steps and failed:
                checkpoints.wait()
                raise check.failure(checkpoints.latest)
            if note := check.note():
                bar.console.print(note, highlight=False, soft_wrap=True)
            bar.update(task, completed=step)
    check.tell()  # what was not met until the end
    return state, loss


def _require_finite(step: int, loss: float, config: TextureConfig) -> None:
    if not math.isfinite(loss):
        rate = config.learning_rate
        raise InputError(
            f"step {step}: the loss of the texture autoencoder is {loss}; lower "
            f"texture.learning_rate = {rate} in another --workdir (the last checkpoint is kept)"
        )


def _settings(config: Config) -> dict[str, float | int]:
    """Collect the settings that must not change when a run continues."""
    settings = {f"texture.{k}": v for k, v in dataclasses.asdict(config.texture).items()}
    return {**settings, "train.seed": config.train.seed, "data.crop": config.data.crop}


def _save(directory: Path, params: Any, config: TextureConfig, facts: Mapping[str, Any]) -> None:
    """Write weights, then the description, whose existence marks the run as finished."""
    tensors = artifact.flatten({"params": jax.tree.map(np.asarray, params)})
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": dataclasses.asdict(config),
        "training": dict(facts),
    }
    artifact.write_files(directory, description, tensors)
