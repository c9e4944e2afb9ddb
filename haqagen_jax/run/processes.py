"""Several processes that train together: how one joins, and how long the others wait.

Every process runs the same command with its own number; under a launcher that numbers them (SLURM,
Open MPI, Cloud TPU, Kubernetes) the number is not given.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax

from haqagen_jax.errors import InputError, reason
from haqagen_jax.system.device_memory import enough_memory

JOINING = 300  # seconds that all processes have to connect
_LESS_MEMORY = (
    "lower train.batch_size, or set train.microbatches, train.fsdp, train.remat=true or "
    "train.precision=bfloat16"
)
SILENCE = 100  # seconds without a heartbeat after which a process counts as lost


class Place(NamedTuple):
    """A process's place among the others.

    Attributes:
        coordinator: HOST:PORT of process 0.
        processes: Number of processes.
        process: Number of this process, from 0.
    """

    coordinator: str
    processes: int
    process: int


def join(place: Place | None, *, joining: int = JOINING, silence: int = SILENCE) -> None:
    """Join the other processes; must be called before anything else touches a device.

    Args:
        place: Place of this process; None for the one that the launcher gives it.
        joining: Seconds to wait for the others.
        silence: Seconds without a heartbeat of a process after which the job ends.

    Raises:
        InputError: The launcher gives no place, or the others do not connect in time.
    """
    # The loop stops at a signal by itself; the runtime's service would intercept the signal.
    jax.config.update("jax_enable_preemption_service", False)
    options: dict[str, Any] = {
        # The runtime would abort with a stack trace, so it is given longer than we wait.
        "initialization_timeout": 2 * joining,
        "heartbeat_timeout_seconds": silence,
    }
    who = "the launcher's settings"
    if place is not None:
        who = f"process {place.process} of {place.processes}, coordinator {place.coordinator}"
        options |= {
            "coordinator_address": place.coordinator,
            "num_processes": place.processes,
            "process_id": place.process,
            "coordinator_bind_address": place.coordinator,
            "cluster_detection_method": "deactivate",
        }
    failures = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(**options)
        except (RuntimeError, ValueError, OSError) as error:  # depends on the network and launcher
            failures.append(reason(error))

    attempt = threading.Thread(target=initialize, daemon=True)
    attempt.start()
    attempt.join(joining)
    if failures or attempt.is_alive():
        why = failures[0] if failures else f"not all came within {joining} s"
        raise InputError(
            f"{who}: the processes did not come together ({why}); check the address, that all are "
            "started, and that each has its own number"
        )


def is_first() -> bool:
    """Say whether this is process 0, which alone writes files and prints.

    Returns:
        True also where there is one process only.
    """
    return jax.process_index() == 0


@contextlib.contextmanager
def reporting_lost_processes() -> Iterator[None]:
    """Report a failed collective computation as the loss of another process.

    Where devices wait without an error, the runtime ends the process after `SILENCE`.

    Raises:
        InputError: A device has too little memory; or another process, or the way to it, was lost.
    """
    try:
        with enough_memory("a training step", _LESS_MEMORY):
            yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        place = f"process {jax.process_index()} of {jax.process_count()}"
        raise InputError(
            f"{place}: another process was lost, or the network ({reason(error)}); start all "
            "again, and the run goes on from its last checkpoint"
        ) from None
