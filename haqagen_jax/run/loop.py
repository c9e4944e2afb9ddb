"""The training loop: set up or restore, then step, record, save and validate.

A run lives in its work directory:

    texture/          the frozen f, from `haqagen pretrain-texture`
    checkpoints/      to continue from
    metrics.jsonl     losses and validation scores; tensorboard/ has the same
    curves.png        their curves;  samples/ has images of validation samples
    model/            the best model so far by validation PSNR; `haqagen colorize --model` takes it
"""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError, Stopped
from haqagen_jax.losses.objective import term_weights
from haqagen_jax.run.checkpoint import Checkpoints
from haqagen_jax.run.data_check import DataCheck
from haqagen_jax.run.identity import fingerprint
from haqagen_jax.run.processes import is_first, reporting_lost_processes
from haqagen_jax.run.record import Record
from haqagen_jax.run.setup import KEPT, Setup, prepare, start
from haqagen_jax.run.stopping import FAULTY, Stop
from haqagen_jax.system.console import bars
from haqagen_jax.train.sharding import place_batch
from haqagen_jax.train.state import TrainState
from haqagen_jax.types import Batch


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
    """Train a generator, or continue a run that was stopped.

    Args:
        directories: Data directories; their training and validation splits are used.
        workdir: Where the run lives.
        config: The run's configuration.
        vgg: Weights of loss.vgg_network (torchvision's .pth, or .safetensors); None for those in
            the cache.
        init_from: A model directory whose generator a new run starts with, instead of a random
            one; a run that continues ignores it.
        command: The command line that started this run, for the model's description.
        progress: Show a bar in a terminal, a line every `train.log_every` steps elsewhere.

    Returns:
        The directory of the best model.

    Raises:
        InputError: An unusable work directory, too little disk space, unusable data, missing f or
            VGG weights, devices and a batch that do not fit, a run with other settings, a model to
            start with that is of another size, a term that is no longer finite, another process
            that is lost, or no model in the end. Faulty pairs, see `haqagen_jax.run.data_check`.
        Stopped: SIGTERM or Ctrl-C came; the state is saved.

    Reference: HAQAGen Sec. 4, "Training protocol".
    """
    workdir = Path(workdir)
    first = is_first()
    with Stop() as stop, reporting_lost_processes():
        setup = prepare(directories, workdir, config, vgg=vgg, init_from=init_from)
        record = Record(
            workdir,
            config,
            steps=setup.steps,
            facts={"command": command, **_facts(setup)},
            names=setup.names,
        )
        with record, DataCheck([*setup.pairs, *setup.held_out]) as check:
            _run(setup, workdir, record, stop, check, show=progress and first)
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
    check: DataCheck,
    *,
    show: bool,
) -> None:
    """Run from the last checkpoint to the end, or until a stop is requested or data are faulty."""
    rhythm, steps = setup.config.train, setup.steps
    with (
        Checkpoints(workdir / "checkpoints", keep=KEPT) as checkpoints,
        bars(show) as display,
    ):
        state, position = _continue(setup, checkpoints) or (start(setup), {})
        begun = int(state.step)
        if setup.initial is not None:
            _line(display, show, setup.initial.report)
        record.begin(begun, position)
        checkpoints.best = record.best_step
        if begun and _is_due(setup, begun):  # it was stopped between the save and its validation
            _validate(setup, record, checkpoints, begun, state, display, show=show)
        task = display.add_task("training", total=steps, completed=begun)
        for step in range(begun + 1, steps + 1):
            position = setup.batches.get_state()
            try:
                batch, waited = _batch(setup)
            except InputError as error:
                # Several processes save together, and only this one has met the fault.
                if jax.process_count() == 1 and checkpoints.latest < step - 1:
                    _save(setup, record, checkpoints, step - 1, state, position)
                    checkpoints.wait()
                raise check.explain(error, checkpoints.latest) from None
            state, metrics = setup.step(state, place_batch(batch, setup.mesh))
            record.add(step, metrics, waited=waited)
            last = step == steps
            if step % rhythm.log_every == 0 or last:
                line = record.log(step)
                display.update(task, description=line)
                _line(display, show, f"step {step}/{steps}: {line}")
            if note := check.note():
                _line(display, show, note)
            if check.failed:
                stop.ask(FAULTY)
            stopping = stop.requested(step)
            # Saved before the validation, so that a failure there loses no steps.
            if step % rhythm.checkpoint_every == 0 or stopping or _is_due(setup, step):
                _save(setup, record, checkpoints, step, state, setup.batches.get_state())
            display.update(task, completed=step)
            if stopping and not last:
                break
            if _is_due(setup, step):
                try:
                    _validate(setup, record, checkpoints, step, state, display, show=show)
                except InputError as error:
                    raise check.explain(error, checkpoints.latest) from None
        checkpoints.wait()
        _end(setup, record, state, display, show=show)
    done = int(state.step)
    if done < steps and stop.number == FAULTY:
        raise check.failure(done)
    check.tell()  # what was not met until the end
    if done < steps:
        raise Stopped(
            f"stopped after step {done} of {steps}, which is saved; run the same command to go on",
            number=stop.number or signal.SIGTERM,
        )


def _batch(setup: Setup) -> tuple[Batch, float]:
    """Take a batch, and the seconds of waiting for it."""
    since = time.monotonic()
    batch = next(setup.batches)
    return batch, time.monotonic() - since


def _save(
    setup: Setup,
    record: Record,
    checkpoints: Checkpoints,
    step: int,
    state: TrainState,
    batches: Mapping[str, Any],
) -> None:
    """Save the state, and the position in the data and in the record."""
    checkpoints.save(
        step,
        state,
        settings=setup.settings,
        position={"batches": batches, **record.position()},
        config=setup.config.to_dict(),
    )


def _continue(setup: Setup, checkpoints: Checkpoints) -> tuple[TrainState, dict[str, Any]] | None:
    """Restore the last checkpoint, and move the data to its position; None for a new run."""
    restored = checkpoints.restore(setup.shapes, settings=setup.settings)
    if restored is not None:
        setup.batches.set_state(restored[1]["batches"])
    return restored


def _is_due(setup: Setup, step: int) -> bool:
    """Say whether a step is validated."""
    return step % setup.config.train.validate_every == 0 or step == setup.steps


def _validate(
    setup: Setup,
    record: Record,
    checkpoints: Checkpoints,
    step: int,
    state: TrainState,
    display: Any,
    *,
    show: bool,
) -> None:
    """Score the generator that was saved last, and keep its checkpoint if it is the best."""
    scores, samples = setup.validate(state.judged)
    line = record.validate(step, scores, samples, lambda: setup.whole(state.judged))
    checkpoints.best = record.best_step
    _line(display, show, line)


def _end(setup: Setup, record: Record, state: TrainState, display: Any, *, show: bool) -> None:
    """Print where the run ended and a hash of its parameters, so that two runs can be compared."""
    params = {"generator": state.generator["params"], "critic": state.critic["params"]}
    digest = fingerprint(setup.whole(params))
    best = ", ".join(f"{name} {value:.3f}" for name, value in record.scores.items())
    _line(display, show, f"step {int(state.step)}/{setup.steps}: best validation {best or 'none'}")
    _line(display, show, f"parameters SHA-256 {digest}")


def _line(display: Any, show: bool, text: str) -> None:
    """Print a line: above the bar in a terminal, and the only output elsewhere."""
    if show:
        display.console.print(text, highlight=False, soft_wrap=True)


def _facts(setup: Setup) -> dict[str, Any]:
    """Collect what the model's description says of its training."""
    return {
        "pairs": len(setup.pairs),
        "validation_pairs": len(setup.held_out),
        "batch_size": setup.config.train.batch_size,
        "devices": f"{jax.device_count()} {jax.devices()[0].platform}",
        "precision": str(setup.dtype),
        "loss_weights": {**term_weights(setup.config.loss), "hsv": setup.config.loss.hsv},
    }
