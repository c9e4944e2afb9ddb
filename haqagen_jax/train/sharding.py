"""Where arrays live: each batch is split over all devices, large arrays of the state over some.

One rule for parameters, moments and averages alike, by size and shape: so a moment lies where its
parameter does. What is computed does not depend on it; the compiler moves what a device lacks.

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
    """Arranges the devices of all processes in a grid.

    Args:
        train: `fsdp` neighbors share the state; the batch is split over all.
        devices: by default all there are.

    Returns:
        A mesh with the axes "data" and "fsdp".

    Raises:
        InputError: the devices cannot be arranged, or the batch cannot be split evenly.
    """
    grid = np.asarray(jax.devices() if devices is None else devices)
    if grid.size % train.fsdp:
        raise InputError(f"train.fsdp = {train.fsdp}: must divide the {grid.size} devices")
    parts = grid.size * train.microbatches
    if train.batch_size % parts:
        each = f"{train.microbatches} microbatches on {grid.size} devices"
        what = f"the {grid.size} devices" if train.microbatches == 1 else each
        raise InputError(
            f"train.batch_size = {train.batch_size}: must be a multiple of {what}; "
            f"try --set train.batch_size={-(-train.batch_size // parts) * parts}"
        )
    return Mesh(grid.reshape(-1, train.fsdp), AXES)


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device has whole."""
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Chooses where the arrays of a state live.

    Args:
        state: a tree of arrays or of their shapes.
        mesh: from `make_mesh`.

    Returns:
        The tree of their shardings: an array of `WORTH_SPLITTING` elements or more is split along
        its longest axis that "fsdp" divides; the others are whole everywhere.
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
    """Puts this process's share of a batch on its devices.

    Args:
        batch: numpy arrays, each with the process's own records along the first axis.
        mesh: from `make_mesh`.

    Returns:
        Global arrays, split over the devices of all processes.
    """
    sharding = NamedSharding(mesh, PartitionSpec(AXES))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
