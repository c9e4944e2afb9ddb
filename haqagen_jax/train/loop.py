"""The order of things in a training run: set up or continue, step, record, validate, save.

A run lives in its work directory:

    texture/          the frozen f, from `haqagen pretrain-texture`
    checkpoints/      to continue from
    metrics.jsonl     losses and validation scores; tensorboard/ has the same
    curves.png        their curves;  samples/ has pictures of validation samples
    model/            the best model so far by validation PSNR; `haqagen colorize --model` takes it
"""

import time
from collections.abc import Sequence
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
from haqagen_jax.interop.vgg import load_vgg
from haqagen_jax.losses.objective import Features
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg19
from haqagen_jax.train.checkpoint import Checkpoints
from haqagen_jax.train.preview import loss_curves, sample_sheet
from haqagen_jax.train.sharding import data_mesh, place_batch, replicated
from haqagen_jax.train.state import TrainState, create_state
from haqagen_jax.train.step import Metrics, make_train_step
from haqagen_jax.train.texture import load_texture
from haqagen_jax.train.validation import Validate, make_validation
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
        InputError: unusable data, missing f or VGG-19 weights, a run with other settings, or a
            model to start with that is of another size.

    Reference: HAQAGen Sec. 4, "Training protocol".
    """
    workdir = Path(workdir)
    pairs, held_out = split_pairs(directories, "train"), split_pairs(directories, "val")
    texture, perceptual = _texture(config, workdir), _vgg(config, vgg)
    steps = config.train.steps or _steps_of_epochs(config, len(pairs))
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
        state, best = _start(checkpoints, config, steps, mesh, batches, init_from)
        run.begin(int(state.step), best)
        task = display.add_task("training", total=steps, completed=int(state.step))
        window: list[Metrics] = []
        for step in range(int(state.step) + 1, steps + 1):
            state, metrics = step_function(state, place_batch(next(batches), mesh))
            window.append(metrics)
            if step % config.train.log_every == 0 or step == steps:
                line = run.log(step, window)
                window = []
                display.update(task, description=line)
                _line(display, progress, f"step {step}/{steps}: {line}")
            if step % config.train.validate_every == 0 or step == steps:
                _line(display, progress, run.validate(step, state.generator))
            if step % config.train.checkpoint_every == 0 or step == steps:
                position = {"batches": batches.get_state(), "best": run.best}
                checkpoints.save(step, state, settings=_settings(config, steps), position=position)
            display.update(task, completed=step)
    run.close()
    return workdir / "model"


class _Run:
    """What a run writes besides checkpoints."""

    facts: dict[str, Any]

    def __init__(self, workdir: Path, config: Config, steps: int, validate: Validate) -> None:
        self._workdir, self._config, self._steps = workdir, config, steps
        self._validate = validate
        self.best = -np.inf

    def begin(self, step: int, best: float) -> None:
        self._workdir.mkdir(parents=True, exist_ok=True)
        self._writer = RunWriter(self._workdir, start=step)
        self.best = best
        self._since = time.monotonic()

    def log(self, step: int, window: list[Metrics]) -> str:
        """Records the mean of the last steps' terms; returns a line about them."""
        terms = jax.tree.map(lambda *values: float(np.mean(values)), *jax.device_get(window))
        now = time.monotonic()
        images = len(window) * self._config.train.batch_size / (now - self._since)
        self._since = now
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
        if scores["psnr"] > self.best:
            self.best = scores["psnr"]
            artifact.save(
                self._workdir / "model",
                self._config,
                jax.device_get(variables),
                training={**self.facts, "step": step, "of": self._steps, "validation": scores},
            )
        self._since = time.monotonic()  # the rate is that of training alone
        listed = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        return f"step {step}/{self._steps}: validation {listed} (best psnr {self.best:.3f})"

    def close(self) -> None:
        self._writer.close()


def _start(
    checkpoints: Checkpoints,
    config: Config,
    steps: int,
    mesh: Any,
    batches: TrainIterator,
    init_from: str | Path | None,
) -> tuple[TrainState, float]:
    """The state to start from and the best validation PSNR before it: the run's last checkpoint,
    or another model's generator, or scratch. Moves the data to the same place."""

    def create(key: jax.Array) -> TrainState:
        return create_state(key, config, steps=steps)

    key, everywhere = jax.random.key(config.train.seed), replicated(mesh)
    template = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=everywhere),
        jax.eval_shape(create, key),
    )
    restored = checkpoints.restore(template, settings=_settings(config, steps))
    if restored is None:
        state = jax.jit(create, out_shardings=everywhere)(key)
        if init_from is not None:
            _, variables = artifact.load(init_from)
            artifact.check(variables, state.generator, str(init_from))
            state = state.replace(generator=jax.device_put(variables, everywhere))
        return state, -np.inf
    state, position = restored
    batches.set_state(position["batches"])
    return state, position["best"]


def _line(display: Any, show: bool, text: str) -> None:
    """A line above the bar in a terminal, and the only sign of life elsewhere."""
    if show:
        display.console.print(text, highlight=False, soft_wrap=True)


def _texture(config: Config, workdir: Path) -> Features | None:
    loss = config.loss
    if not (loss.feature and (loss.alpha or loss.gamma)):
        return None
    variables = {"params": load_texture(workdir / "texture")}
    network = TextureAutoencoder()
    return lambda image: network.apply(variables, image, method="encode")  # pyright: ignore


def _vgg(config: Config, weights: str | Path | None) -> Features | None:
    if not (config.loss.feature and config.loss.delta):
        return None
    if weights is None:
        raise InputError(
            f"loss.delta = {config.loss.delta}: the VGG-19 term needs weights; give torchvision's "
            "file with --vgg vgg19.pth, or leave the term out with --set loss.delta=0"
        )
    variables = {"params": load_vgg(weights)}
    network = Vgg19()
    return lambda image: network.apply(variables, image)  # pyright: ignore


def _steps_of_epochs(config: Config, pairs: int) -> int:
    per_epoch = pairs // config.train.batch_size
    if not per_epoch:
        raise InputError(
            f"train.batch_size = {config.train.batch_size}: more than the {pairs} training pairs; "
            "use a smaller one, or set train.steps"
        )
    return config.train.epochs * per_epoch


def _settings(config: Config, steps: int) -> dict[str, Any]:
    """What must not change between the parts of a run: everything that shapes the result."""
    free = {
        f"train.{name}"
        for name in ("log_every", "validate_every", "checkpoint_every", "validation_samples")
    }
    free |= {"train.epochs", "data.workers"}  # steps say it all; any number gives the same batches
    settings = {
        f"{section}.{name}": value
        for section, values in config.to_dict().items()
        for name, value in values.items()
        if section != "texture" and f"{section}.{name}" not in free
    }
    settings["data.nir_percentiles"] = list(settings["data.nir_percentiles"])  # as JSON has it
    return {**settings, "train.steps": steps}


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
