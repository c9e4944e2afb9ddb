"""Dry run of `haqagen train`: report what a run would do and cost.

A few steps are taken to measure time and memory, and nothing is written.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from haqagen_jax.config.schema import Config
from haqagen_jax.cost import nbytes
from haqagen_jax.models.factory import count_parameters
from haqagen_jax.run.processes import is_first, reporting_lost_processes
from haqagen_jax.run.setup import KEPT, Setup, prepare, start
from haqagen_jax.train.optimizer import make_schedule
from haqagen_jax.train.sharding import place_batch

TRIED = 3  # steps that are timed; the first warms up and is not counted


def plan(
    directories: Sequence[str | Path],
    workdir: str | Path,
    config: Config,
    *,
    vgg: str | Path | None = None,
    init_from: str | Path | None = None,
) -> None:
    """Print what `haqagen_jax.run.loop.train` would do and cost with the same arguments.

    Args:
        directories: Data directories; their training and validation splits are used.
        workdir: Where the run would live.
        config: The run's configuration.
        vgg: Weights of loss.vgg_network; None for those in the cache.
        init_from: A model directory whose generator a new run starts with.

    Raises:
        InputError: Whatever `train` would refuse before its first step, but for the settings of a
            run to continue.
    """
    setup = prepare(directories, Path(workdir), config, vgg=vgg, init_from=init_from)
    _say(_known(setup))
    if setup.initial is not None and is_first():
        print(setup.initial.report)
    _say({"compiling": "the step; this may take minutes"})
    with reporting_lost_processes():
        memory, seconds = _measured(setup)
    hours = seconds * setup.steps / 3600
    length = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
    _say(
        {
            "memory": f"{_megabytes(memory)} on each device in a step",
            "time": f"{seconds:.2f} s a step, {config.train.batch_size / seconds:.2f} images/s; "
            f"{length} for {setup.steps} steps, without validation",
        }
    )


def _say(rows: Mapping[str, str]) -> None:
    if is_first():
        for name, value in rows.items():
            print(f"{name:16} {value}", flush=True)


def _known(setup: Setup) -> dict[str, str]:
    """Describe the run as far as it is known before anything is computed."""
    config, shapes, mesh = setup.config, setup.shapes, setup.mesh
    train, size = config.train, mesh.size
    processes = jax.process_count()
    devices = f"{size} {jax.devices()[0].platform}"
    devices += f" in {processes} processes" if processes > 1 else ""
    parts = f", in {train.microbatches} parts" if train.microbatches > 1 else ""
    networks = {
        "generator": count_parameters(shapes.generator["params"]),
        "critics": count_parameters(shapes.critic["params"]),
    }
    of_each = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.sharding.shard_shape(x.shape), x.dtype), shapes
    )
    schedule = make_schedule(config.optim, steps=setup.steps)
    rates = [np.asarray(schedule(step)).item() for step in (0, setup.steps // 2, setup.steps)]
    return {
        "devices": f"{devices}; data {mesh.shape['data']} x fsdp {mesh.shape['fsdp']}",
        "batch": f"{train.batch_size}, {train.batch_size // size} on each device{parts}",
        "precision": f"{setup.dtype}{', recomputing blocks' if train.remat else ''}",
        "data": f"{len(setup.pairs)} pairs, {len(setup.held_out)} to validate",
        "steps": f"{setup.steps}, {setup.steps * train.batch_size / len(setup.pairs):.1f} epochs; "
        f"logs every {train.log_every}, validates every {train.validate_every}, saves every "
        f"{train.checkpoint_every}",
        "learning rate": "{:.2g} at first, {:.2g} half way, {:.2g} at the end".format(*rates),
        "moving average": f"decay {train.ema}" if train.ema else "none",
        "parameters": ", ".join(f"{name} {count:,}" for name, count in networks.items()),
        "state": f"{_megabytes(nbytes(of_each))} on each device (parameters, moments, average)",
        "checkpoints": f"{_megabytes(nbytes(shapes))} each, at most {KEPT + 2} at once",
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _measured(setup: Setup) -> tuple[int, float]:
    """Measure bytes on each device, and seconds of a step with the loading of its batch."""
    state = start(setup)
    batch = place_batch(next(setup.batches), setup.mesh)
    step = setup.step.lower(state, batch).compile()
    usage = step.memory_analysis()
    memory = usage.argument_size_in_bytes + usage.temp_size_in_bytes
    times = []
    for _ in range(TRIED):
        since = time.monotonic()
        state, metrics = step(state, place_batch(next(setup.batches), setup.mesh))
        jax.block_until_ready((state, metrics))
        times.append(time.monotonic() - since)
    return memory, statistics.median(times[1:])
