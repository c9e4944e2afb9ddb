"""The order of things in a training run: set up or continue, step, record, validate, save.

A run lives in its work directory:

    texture/          the frozen f, from `haqagen pretrain-texture`
    checkpoints/      to continue from
    metrics.jsonl     losses and validation scores; tensorboard/ has the same
    curves.png        their curves;  samples/ has pictures of validation samples
    model/            the best model so far by validation PSNR; `haqagen colorize --model` takes it
"""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from haqagen_jax import artifact, imageio
from haqagen_jax.config import Config
from haqagen_jax.console import bars
from haqagen_jax.data.folder import split_pairs
from haqagen_jax.data.pair import Pair
from haqagen_jax.data.pipeline import TrainIterator, train_iterator
from haqagen_jax.errors import InputError
from haqagen_jax.models.factory import init_generator
from haqagen_jax.train.checkpoint import Checkpoints, is_started
from haqagen_jax.train.frozen import texture_features, vgg_features
from haqagen_jax.train.preview import loss_curves, sample_sheet
from haqagen_jax.train.settings import run_settings
from haqagen_jax.train.sharding import data_mesh, place_batch, replicated
from haqagen_jax.train.state import TrainState, create_state
from haqagen_jax.train.step import Metrics, make_train_step
from haqagen_jax.train.validation import Validate, make_validation
from haqagen_jax.train.workdir import require_workdir
from haqagen_jax.train.writer import RunWriter

SHOWN = ("generator", "critic", "mse_rgb", "cdf_rgb")  # of the terms, on the progress bar


def train(
    directories: Sequence[str | Path],
    workdir: str | Path,
    config: Config,
    *,
    vgg: str | Path | None = None,
    init_from: str | Path | None = None,
    command: str = "",
    progress: bool = True,
) -> Path:
    """Trains a generator, or continues a run that was stopped.

    Args:
        directories: data directories; their training and validation splits are used.
        workdir: where the run lives.
        config: the run's configuration.
        vgg: VGG-19 weights (torchvision's .pth, or .safetensors); needed unless loss.delta is 0.
        init_from: a model directory whose generator a new run starts with, instead of a random
            one; a run that continues ignores it.
        command: how this run was started, for the model's description.
        progress: show a bar in a terminal, a line every `train.log_every` steps elsewhere.

    Returns:
        The directory of the best model.

    Raises:
        InputError: an unusable work directory, unusable data, missing f or VGG-19 weights, a run
            with other settings, a model to start with that is of another size, float16, losses
            that are no longer finite, or no model in the end.

    Reference: HAQAGen Sec. 4, "Training protocol".
    """
    workdir = Path(workdir)
    require_workdir(workdir)
    _require_range(config.model.compute_dtype)
    initial = None
    if init_from is not None and not is_started(workdir / "checkpoints"):
        initial = _load_generator(init_from, config)
    pairs, held_out = split_pairs(directories, "train"), split_pairs(directories, "val")
    texture = texture_features(config.loss, workdir / "texture")
    perceptual = vgg_features(config.loss, vgg)
    steps = config.train.steps or _steps_of_epochs(config, len(pairs))
    settings = run_settings(
        config, steps=steps, pairs=pairs, texture=workdir / "texture" if texture else None
    )
    mesh = data_mesh(config.train.batch_size)
    batches = train_iterator(
        pairs, config.data, batch_size=config.train.batch_size, seed=config.train.seed
    )
    step_function = jax.jit(
        make_train_step(config, steps=steps, texture=texture, vgg=perceptual), donate_argnums=0
    )
    run = _Run(workdir, config, steps, make_validation(config, held_out, mesh))
    run.facts = {"command": command, **_facts(pairs, held_out, config)}
    with Checkpoints(workdir / "checkpoints", keep=2) as checkpoints, bars(progress) as display:
        state, position = _start(checkpoints, config, settings, mesh, batches, initial)
        run.begin(int(state.step), position)
        task = display.add_task("training", total=steps, completed=int(state.step))
        for step in range(int(state.step) + 1, steps + 1):
            state, metrics = step_function(state, place_batch(next(batches), mesh))
            run.add(metrics)
            if step % config.train.log_every == 0 or step == steps:
                line = run.log(step)
                display.update(task, description=line)
                _line(display, progress, f"step {step}/{steps}: {line}")
            if step % config.train.validate_every == 0 or step == steps:
                _line(display, progress, run.validate(step, state.generator))
            if step % config.train.checkpoint_every == 0 or step == steps:
                position = {"batches": batches.get_state(), **run.position(step)}
                checkpoints.save(step, state, settings=settings, position=position)
            display.update(task, completed=step)
    run.close()
    model = workdir / "model"
    if not model.is_dir():
        raise InputError(
            f"{model}: does not exist, as no validation PSNR was finite or it was removed; train "
            "again with another --workdir"
        )
    return model


class _Run:
    """What a run writes besides checkpoints."""

    facts: dict[str, Any]

    def __init__(self, workdir: Path, config: Config, steps: int, validate: Validate) -> None:
        self._workdir, self._config, self._steps = workdir, config, steps
        self._validate = validate

    def begin(self, step: int, position: Mapping[str, Any]) -> None:
        """Opens the record at a step; `position` is what was returned after it, {} at first."""
        self._workdir.mkdir(parents=True, exist_ok=True)
        self._writer = RunWriter(self._workdir, start=step)
        self._best = position.get("best", -np.inf)
        self._window: list[Any] = list(position.get("window", ()))  # terms since the last line
        self._restart_clock()

    def position(self, step: int) -> dict[str, Any]:
        """What a checkpoint must remember, as JSON values."""
        self._window = [
            {name: float(x) for name, x in terms.items()} for terms in jax.device_get(self._window)
        ]
        self._require_finite(step)
        return {"best": self._best, "window": self._window}

    def add(self, metrics: Metrics) -> None:
        """Takes the terms of a step, without waiting for them."""
        self._window.append(metrics)
        self._timed += 1

    def log(self, step: int) -> str:
        """Records the mean of the last steps' terms; returns a line about them."""
        self._window = jax.device_get(self._window)
        self._require_finite(step)
        # In float64, so that terms that were kept as JSON have the same mean as arrays.
        terms = jax.tree.map(lambda *x: float(np.mean(x, dtype=np.float64)), *self._window)
        self._window = []
        images = self._timed * self._config.train.batch_size / (time.monotonic() - self._since)
        self._restart_clock()
        self._writer.scalars(
            step, {f"train/{name}": x for name, x in terms.items()} | {"rate/images": images}
        )
        shown = ", ".join(f"{name} {terms[name]:.4f}" for name in SHOWN if name in terms)
        return f"{shown}, {images:.2f} images/s"

    def validate(self, step: int, variables: Any) -> str:
        """Scores the generator, draws pictures, exports it if it is the best; returns a line."""
        scores, samples = self._validate(variables)
        self._writer.scalars(step, {f"validation/{name}": x for name, x in scores.items()})
        sheet = sample_sheet(*samples)
        self._writer.image(step, "samples", sheet)
        pictures = self._workdir / "samples"
        pictures.mkdir(exist_ok=True)
        imageio.write(pictures / f"step_{step:07d}.png", sheet)
        loss_curves(self._writer.history(), self._workdir / "curves.png")
        if scores["psnr"] > self._best:
            self._best = scores["psnr"]
            artifact.save(
                self._workdir / "model",
                self._config,
                jax.device_get(variables),
                training={**self.facts, "step": step, "of": self._steps, "validation": scores},
            )
        self._restart_clock()  # the rate is that of training alone
        listed = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        return f"step {step}/{self._steps}: validation {listed} (best psnr {self._best:.3f})"

    def close(self) -> None:
        self._writer.close()

    def _restart_clock(self) -> None:
        self._since, self._timed = time.monotonic(), 0

    def _require_finite(self, step: int) -> None:
        """Stops a run that has diverged, before its state becomes a checkpoint."""
        for name in ("generator", "critic"):
            values = [float(terms[name]) for terms in self._window]
            wrong = [value for value in values if not math.isfinite(value)]
            if wrong:
                rate = self._config.optim.learning_rate
                raise InputError(
                    f"step {step}: the total of the {name} is {wrong[0]}; lower "
                    f"optim.learning_rate = {rate} in another --workdir (the last checkpoint is "
                    "kept)"
                )


def _start(
    checkpoints: Checkpoints,
    config: Config,
    settings: Mapping[str, Any],
    mesh: Any,
    batches: TrainIterator,
    initial: Mapping[str, Any] | None,
) -> tuple[TrainState, dict[str, Any]]:
    """The state to start from and what `_Run` left there: the run's last checkpoint, or another
    model's generator, or scratch. Moves the data to the same place."""

    def create(key: jax.Array) -> TrainState:
        return create_state(key, config, steps=settings["train.steps"])

    key, everywhere = jax.random.key(config.train.seed), replicated(mesh)
    template = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
        jax.eval_shape(create, key),
    )
    restored = checkpoints.restore(template, settings=settings)
    if restored is None:
        state = jax.jit(create, out_shardings=everywhere)(key)
        if initial is not None:
            state = state.replace(generator=jax.device_put(initial, everywhere))
        return state, {}
    state, position = restored
    batches.set_state(position["batches"])
    return state, position


def _load_generator(directory: str | Path, config: Config) -> Mapping[str, Any]:
    """The variables of a model, if they fit the configuration."""
    _, variables = artifact.load(directory)
    shapes = jax.eval_shape(lambda key: init_generator(key, config.model), jax.random.key(0))
    artifact.check(variables, shapes, str(directory))
    return variables


def _line(display: Any, show: bool, text: str) -> None:
    """A line above the bar in a terminal, and the only sign of life elsewhere."""
    if show:
        display.console.print(text, highlight=False, soft_wrap=True)


def _require_range(dtype: str) -> None:
    if dtype == "float16":
        raise InputError(
            f"model.compute_dtype = {dtype!r}: must be bfloat16 or float32 in training, as "
            "gradients leave the range of float16; use --set model.compute_dtype=bfloat16"
        )


def _steps_of_epochs(config: Config, pairs: int) -> int:
    per_epoch = pairs // config.train.batch_size
    if not per_epoch:
        raise InputError(
            f"train.batch_size = {config.train.batch_size}: more than the {pairs} training pairs; "
            "use a smaller one, or set train.steps"
        )
    return config.train.epochs * per_epoch


def _facts(pairs: Sequence[Pair], held_out: Sequence[Pair], config: Config) -> dict[str, Any]:
    """What the model's description says of its training."""
    loss = config.loss
    terms = {"mse": loss.mse, "adversarial": loss.adversarial}
    parts = {"texture_l2": loss.alpha, "texture_cosine": loss.gamma}
    parts |= {"cdf": loss.beta, "vgg": loss.delta}
    terms |= {name: loss.feature * weight for name, weight in parts.items()}
    return {
        "pairs": len(pairs),
        "validation_pairs": len(held_out),
        "batch_size": config.train.batch_size,
        "devices": f"{jax.device_count()} {jax.devices()[0].platform}",
        "loss_weights": terms,
    }
