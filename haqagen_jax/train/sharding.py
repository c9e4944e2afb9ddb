"""Sharding: each batch is split over all devices, large arrays of the state over some.

One rule by size and shape serves parameters, moments and averages alike, so that a moment lies
where its parameter does. The result does not depend on it: the compiler inserts the transfers.

Reference: Rajbhandari et al., "ZeRO" (2020), stage 3; Xu et al., "GSPMD" (2021).
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from haqagen_jax.config.schema import TrainConfig
from haqagen_jax.errors import InputError

AXES = ("data", "fsdp")
WORTH_SPLITTING = 2**16  # elements; what is smaller costs more to gather than it saves


def make_mesh(train: TrainConfig, devices: Sequence[Any] | None = None) -> Mesh:
    """Arrange the devices of all processes in a mesh.

    Args:
        train: `fsdp` neighbors share the state; the batch is split over all devices.
        devices: Those to use; None for all of all processes.

    Returns:
        A mesh with the axes "data" and "fsdp".

    Raises:
        InputError: The devices cannot be arranged, or the batch cannot be split evenly.
    """
    grid = np.asarray(jax.devices() if devices is None else devices)
    if grid.size % train.fsdp:
        raise InputError(f"train.fsdp = {train.fsdp}: must divide the {grid.size} devices")
    parts = grid.size * train.microbatches
    if train.batch_size % parts:
        each = f"{train.microbatches} microbatches on {grid.size} devices"
        unit = f"the {grid.size} devices" if train.microbatches == 1 else each
        raise InputError(
            f"train.batch_size = {train.batch_size}: must be a multiple of {unit}; "
            f"try --set train.batch_size={-(-train.batch_size // parts) * parts}"
        )
    return Mesh(grid.reshape(-1, train.fsdp), AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of arrays that every device holds whole.

    Args:
        mesh: From `make_mesh`.

    Returns:
        The sharding.
    """
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Choose the sharding of each array of a state.

    Args:
        state: Arrays or their shapes.
        mesh: From `make_mesh`.

    Returns:
        The tree of their shardings: an array of `WORTH_SPLITTING` elements or more is split along
        its longest axis that "fsdp" divides; the others are replicated.
    """
    return jax.tree.map(lambda x: NamedSharding(mesh, _spec(x.shape, mesh.shape["fsdp"])), state)


def _spec(shape: tuple[int, ...], parts: int) -> PartitionSpec:
    if parts == 1 or math.prod(shape) < WORTH_SPLITTING:
        return PartitionSpec()
    divisible = [axis for axis, length in enumerate(shape) if length % parts == 0]
    if not divisible:
        return PartitionSpec()
    longest = max(divisible, key=lambda axis: shape[axis])
    return PartitionSpec(*("fsdp" if axis == longest else None for axis in range(len(shape))))


def place_batch(batch: Any, mesh: Mesh) -> Any:
    """Put this process's share of a batch on its devices, as part of a global batch.

    Args:
        batch: NumPy arrays, each with the process's own examples along the first axis.
        mesh: From `make_mesh`.

    Returns:
        Global arrays, split over the devices of all processes.
    """
    sharding = NamedSharding(mesh, PartitionSpec(AXES))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
