"""The network as a compiled function of batches of NIR tiles, on all local devices.

float32, (b, tile, tile, c) to (b, tile, tile, k). One compilation for each side of a tile; the
batch is split over the devices. Calls return at once: the result is waited for when it is read.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Float32

from haqagen_jax.inference.forward import Forward
from haqagen_jax.system.device_memory import enough_memory

_REMEDY = "give a smaller batch or tile, or end what else runs on it"
MOST = 32  # tiles of a device in a default batch: more do not raise the throughput


class TilePredictor:
    """Predict batches of tiles.

    Attributes:
        batch: Tiles of a call, a multiple of the number of devices that share it.
        tile: Their largest side, pixels.
    """

    def __init__(
        self,
        forward: Forward,
        variables: Mapping[str, Any],
        *,
        channels: int,
        tile: int,
        batch: int | None,
    ) -> None:
        """Place a network on the devices; compile it only if its memory has to be known.

        Args:
            forward: The function of variables and prepared NIR that is computed of a batch.
            variables: The variables of its network.
            channels: Channels of the prepared NIR.
            tile: The largest side of a tile, pixels.
            batch: See `haqagen_jax.inference.settings.Settings`.

        Raises:
            InputError: It does not fit into the device's memory.
        """
        self.tile = tile
        self._programs: dict[int, Any] = {}  # by the side of a tile
        devices = jax.local_devices()[:batch]
        mesh = Mesh(np.array(devices), ("data",))
        shared, everywhere = (NamedSharding(mesh, PartitionSpec(*p)) for p in (("data",), ()))
        self._predict: Any = jax.jit(
            forward, in_shardings=(everywhere, shared), out_shardings=shared
        )
        with enough_memory("the model", _REMEDY):
            self._variables = jax.device_put(variables, everywhere)
            if batch is None:
                batch, largest = self._fitting(self._predict, devices, channels)
                self._programs[tile] = largest
        self.batch = -(-batch // len(devices)) * len(devices)

    def __call__(self, nir: Float32[np.ndarray, "b h w c"]) -> jax.Array:
        """Start to predict a batch; asynchronous.

        Args:
            nir: `batch` tiles of one side, in [0, 1].

        Returns:
            The output of `forward`, (b, h, w, k), for `fetch`.

        Raises:
            InputError: They do not fit into the device's memory.
        """
        with self._enough():
            program = self._programs.get(nir.shape[1], self._predict)
            return program(self._variables, nir)

    def fetch(self, tiles: jax.Array) -> Float[np.ndarray, "b h w k"]:
        """Wait for a batch, and copy it to the host.

        Args:
            tiles: What a call returned.

        Returns:
            The tiles in the host's memory.

        Raises:
            InputError: They do not fit into the device's memory.
        """
        with self._enough():
            return np.asarray(tiles)

    def _enough(self) -> contextlib.AbstractContextManager[None]:
        work = f"batch = {self.batch}: so many tiles of {self.tile} pixels: predicting them"
        return enough_memory(work, _REMEDY)

    def _fitting(
        self, predict: Any, devices: Sequence[Any], channels: int
    ) -> tuple[int, Callable[..., jax.Array]]:
        """Choose the largest batch that fits into the devices' memory.

        Args:
            predict: The jitted function.
            devices: The devices that share a batch.
            channels: Channels of the prepared NIR.

        Returns:
            The batch of all devices, and the function that predicts it, compiled if its memory had
            to be known.
        """
        stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
        if not stats or "bytes_limit" not in stats:
            return len(devices), predict  # on a CPU a batch gains nothing and costs memory
        free = stats["bytes_limit"] - stats["bytes_in_use"]
        most = MOST
        while True:
            batch = most * len(devices)
            nir = jax.ShapeDtypeStruct((batch, self.tile, self.tile, channels), np.float32)
            compiled = predict.lower(self._variables, nir).compile()
            needs = compiled.memory_analysis()
            if needs is None:
                return len(devices), predict
            each = (needs.temp_size_in_bytes + needs.output_size_in_bytes) // most
            fitting = min(tiles_that_fit(free, each), most)
            if fitting == most:
                return batch, compiled
            most = fitting


def tiles_that_fit(free: int, each: int) -> int:
    """Compute how many tiles a device should predict at once.

    Args:
        free: Free memory of the device, bytes.
        each: Memory that one tile needs, bytes.

    Returns:
        The largest power of two that fits into half of what is free, 1 to `MOST`.
    """
    most = min(MOST, free // (2 * max(each, 1)))
    return 1 << max(0, most.bit_length() - 1)
