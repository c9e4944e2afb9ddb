"""Where arrays live: the batch is split over all devices, the state is on each of them."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from haqagen_jax.errors import InputError


def data_mesh(batch_size: int) -> Mesh:
    """Returns a mesh of all devices along one axis, "data".

    Args:
        batch_size: the global batch size.

    Raises:
        InputError: the batch cannot be split evenly.
    """
    devices = np.asarray(jax.devices())
    if batch_size % devices.size:
        raise InputError(
            f"train.batch_size = {batch_size}: must be a multiple of the {devices.size} devices; "
            f"try --set train.batch_size={-(-batch_size // devices.size) * devices.size}"
        )
    return Mesh(devices, ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of the state: the whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of a batch: its first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def place_batch(batch: Any, mesh: Mesh) -> Any:
    """Puts this process's share of a batch on its devices.

    Args:
        batch: numpy arrays, each with the process's own records along the first axis.
        mesh: from `data_mesh`.

    Returns:
        Global arrays, split over the devices of all processes.
    """
    sharding = split_batch(mesh)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)
