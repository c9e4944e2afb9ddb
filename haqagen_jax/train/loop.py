"""The order of things in a training run: set up or continue, step, record, validate, save.

A run lives in its work directory:

    texture/          the frozen f, from `haqagen pretrain-texture`
    checkpoints/      to continue from
    metrics.jsonl     losses and validation scores; tensorboard/ has the same
    curves.png        their curves;  samples/ has pictures of validation samples
    model/            the best model so far by validation PSNR; `haqagen colorize --model` takes it
"""

import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from haqagen_jax import artifact
from haqagen_jax.config import Config
from haqagen_jax.console import bars
from haqagen_jax.errors import InputError, Stopped
from haqagen_jax.train.checkpoint import Checkpoints
from haqagen_jax.train.processes import noticing_losses
from haqagen_jax.train.record import Record
from haqagen_jax.train.setup import KEPT, Setup, prepare, start
from haqagen_jax.train.sharding import place_batch
from haqagen_jax.train.state import TrainState
from haqagen_jax.train.stopping import Stop


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
        vgg: VGG-19 weights (torchvision's .pth, or .safetensors); None for those in the cache.
        init_from: a model directory whose generator a new run starts with, instead of a random
            one; a run that continues ignores it.
        command: how this run was started, for the model's description.
        progress: show a bar in a terminal, a line every `train.log_every` steps elsewhere.

    Returns:
        The directory of the best model.

    Raises:
        InputError: an unusable work directory, too little room, unusable data, missing f or VGG-19
            weights, devices and a batch that do not fit, a run with other settings, a model to
            start with that is of another size, a term that is no longer finite, another process
            that is lost, or no model in the end.
        Stopped: SIGTERM or Ctrl-C came; the state is saved.

    Reference: HAQAGen Sec. 4, "Training protocol".
    """
    workdir = Path(workdir)
    first = jax.process_index() == 0
    with Stop() as stop, noticing_losses():
        setup = prepare(directories, workdir, config, vgg=vgg, init_from=init_from)
        record = Record(
            workdir,
            config,
            steps=setup.steps,
            facts={"command": command, **_facts(setup)},
            names=setup.names,
        )
        _run(setup, workdir, record, stop, show=progress and first)
    model = workdir / "model"
    if first and not model.is_dir():  # the others may look before it is written
        raise InputError(
            f"{model}: does not exist, as no validation PSNR was finite or it was removed; train "
            "again with another --workdir"
        )
    return model


def _run(
    setup: Setup,
    workdir: Path,
    record: Record,
    stop: Stop,
    *,
    show: bool,
) -> None:
    """From the last checkpoint to the end, or to where it is asked to stop."""
    rhythm, steps = setup.config.train, setup.steps
    with (
        Checkpoints(workdir / "checkpoints", keep=KEPT, keep_best=True) as checkpoints,
        bars(show) as display,
    ):
        state, position = _continue(setup, checkpoints) or (start(setup), {})
        begun = int(state.step)
        if setup.initial is not None:
            _line(display, show, setup.initial.report)
        record.begin(begun, position)
        task = display.add_task("training", total=steps, completed=begun)
        for step in range(begun + 1, steps + 1):
            since = time.monotonic()
            batch = next(setup.batches)
            waited = time.monotonic() - since
            state, metrics = setup.step(state, place_batch(batch, setup.mesh))
            record.add(step, metrics, waited=waited)
            last, score = step == steps, None
            if step % rhythm.log_every == 0 or last:
                line = record.log(step)
                display.update(task, description=line)
                _line(display, show, f"step {step}/{steps}: {line}")
            if step % rhythm.validate_every == 0 or last:
                score, line = _validate(setup, record, step, state)
                _line(display, show, line)
            stopping = stop.requested(step)
            if step % rhythm.checkpoint_every == 0 or last or stopping or score == record.best:
                position = {"batches": setup.batches.get_state(), **record.position()}
                checkpoints.save(
                    step,
                    state,
                    settings=setup.settings,
                    position=position,
                    config=setup.config.to_dict(),
                    score=score,
                )
            display.update(task, completed=step)
            if stopping and not last:
                break
        checkpoints.wait()
        record.close()
        _end(setup, record, state, display, show=show)
    done = int(state.step)
    if done < steps:
        raise Stopped(
            f"stopped after step {done} of {steps}, which is saved; run the same command to go on",
            number=stop.number or signal.SIGTERM,
        )


def _continue(setup: Setup, checkpoints: Checkpoints) -> tuple[TrainState, dict[str, Any]] | None:
    """The run's last checkpoint, with the data moved to the same place; None for a new run."""
    restored = checkpoints.restore(setup.shapes, settings=setup.settings)
    if restored is not None:
        setup.batches.set_state(restored[1]["batches"])
    return restored


def _validate(
    setup: Setup, record: Record, step: int, state: TrainState
) -> tuple[float | None, str]:
    """Scores the generator; returns its PSNR and a line."""
    scores, samples = setup.validate(state.judged)
    line = record.validate(step, scores, samples, lambda: setup.whole(state.judged))
    return (scores["psnr"] if math.isfinite(scores["psnr"]) else None), line


def _end(setup: Setup, record: Record, state: TrainState, display: Any, *, show: bool) -> None:
    """Says where the run is, so that two runs can be compared."""
    params = {"generator": state.generator["params"], "critic": state.critic["params"]}
    digest = artifact.fingerprint(setup.whole(params))
    best = ", ".join(f"{name} {value:.3f}" for name, value in record.scores.items())
    _line(display, show, f"step {int(state.step)}/{setup.steps}: best validation {best or 'none'}")
    _line(display, show, f"parameters SHA-256 {digest}")


def _line(display: Any, show: bool, text: str) -> None:
    """A line above the bar in a terminal, and the only sign of life elsewhere."""
    if show:
        display.console.print(text, highlight=False, soft_wrap=True)


def _facts(setup: Setup) -> dict[str, Any]:
    """What the model's description says of its training."""
    loss = setup.config.loss
    terms = {"mse": loss.mse, "adversarial": loss.adversarial}
    parts = {"texture_l2": loss.alpha, "texture_cosine": loss.gamma}
    parts |= {"cdf": loss.beta, "vgg": loss.delta, "ssim": loss.ssim}
    terms |= {name: loss.feature * weight for name, weight in parts.items()}
    terms["hsv"] = loss.hsv
    return {
        "pairs": len(setup.pairs),
        "validation_pairs": len(setup.held_out),
        "batch_size": setup.config.train.batch_size,
        "devices": f"{jax.device_count()} {jax.devices()[0].platform}",
        "precision": str(setup.dtype),
        "loss_weights": terms,
    }
