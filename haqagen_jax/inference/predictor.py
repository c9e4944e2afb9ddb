"""The network as one compiled function from NIR tiles to sRGB tiles, on all local devices.

float32, (b, tile, tile, c) to (b, tile, tile, 3), in [0, 1]. One (batch, tile) shape, so one
compilation; the batch is split over the devices. Calls return at once: the result is waited for
when it is read.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Float32

from haqagen_jax.device_memory import enough_memory
from haqagen_jax.inference.consistency import correct
from haqagen_jax.ops.color import srgb_encoded

_REMEDY = "give a smaller batch or tile, or end what else runs on it"
MOST = 32  # tiles on one device, when nobody says: more gain nothing


@runtime_checkable
class Network(Protocol):
    """What the engine needs of a network: Flax modules have it, and so do the baselines."""

    @property
    def apply(self) -> Callable[..., Any]:
        """(variables, nir [b h w c]) -> a named tuple whose `rgb` is [b h w 3]."""
        ...


class TilePredictor:
    """Predicts batches of tiles with one compiled function.

    Attributes:
        batch: tiles of a call, a multiple of the devices that share it.
        tile: their side, pixels.
    """

    def __init__(
        self,
        network: Network,
        variables: Mapping[str, Any],
        *,
        linear: bool,
        channels: int,
        tile: int,
        batch: int | None,
    ) -> None:
        """Places a network; nothing is compiled yet, unless its memory has to be known.

        Args:
            network: see `Network`.
            variables: its weights.
            linear: its colors are linear light; else sRGB-encoded.
            channels: of the prepared NIR.
            tile: side of a tile, pixels.
            batch: see `haqagen_jax.inference.settings.Settings`.

        Raises:
            InputError: it does not fit into the device's memory.
        """

        def predict(variables: Any, nir: jax.Array, targets: jax.Array, reach: jax.Array):
            rgb = network.apply(variables, nir).rgb.astype(np.float32)
            return correct(srgb_encoded(rgb, linear=linear), targets, reach)

        self.tile = tile
        devices = jax.local_devices()[:batch]
        mesh = Mesh(np.array(devices), ("data",))
        shared, everywhere = (NamedSharding(mesh, PartitionSpec(*p)) for p in (("data",), ()))
        self._predict: Any = jax.jit(
            predict, in_shardings=(everywhere, shared, shared, shared), out_shardings=shared
        )
        with enough_memory("the model", _REMEDY):
            self._variables = jax.device_put(variables, everywhere)
            if batch is None:
                batch, self._predict = self._fitting(self._predict, devices, channels)
        self.batch = -(-batch // len(devices)) * len(devices)

    def __call__(
        self,
        nir: Float32[np.ndarray, "b tile tile c"],
        targets: Float32[np.ndarray, "b tile tile 3"],
        reach: Float32[np.ndarray, " b"],
    ) -> jax.Array:
        """Starts to predict a batch.

        Args:
            nir: `batch` tiles in [0, 1].
            targets: see `haqagen_jax.inference.consistency.correct`.
            reach: see there.

        Returns:
            As many sRGB-encoded tiles, (b, tile, tile, 3), for `fetch`.

        Raises:
            InputError: they do not fit into the device's memory.
        """
        with self._enough():
            return self._predict(self._variables, nir, targets, reach)

    def fetch(self, tiles: jax.Array) -> Float[np.ndarray, "b tile tile 3"]:
        """Waits for a batch.

        Args:
            tiles: what a call returned.

        Returns:
            The tiles in the host's memory.

        Raises:
            InputError: they do not fit into the device's memory.
        """
        with self._enough():
            return np.asarray(tiles)

    def _enough(self) -> contextlib.AbstractContextManager[None]:
        what = f"batch = {self.batch}: so many tiles of {self.tile} pixels: predicting them"
        return enough_memory(what, _REMEDY)

    def _fitting(
        self, predict: Any, devices: Sequence[Any], channels: int
    ) -> tuple[int, Callable[..., jax.Array]]:
        """Chooses how many tiles to predict at once.

        Args:
            predict: jitted.
            devices: that share a batch.
            channels: of the prepared NIR.

        Returns:
            The batch of all devices, and what predicts it, compiled if that had to be.
        """
        stats = devices[0].memory_stats() if devices[0].platform != "cpu" else None
        if not stats or "bytes_limit" not in stats:
            return len(devices), predict  # on a CPU a batch gains nothing and costs memory
        free = stats["bytes_limit"] - stats["bytes_in_use"]
        most = MOST
        while True:
            batch = most * len(devices)
            shapes = ((batch, self.tile, self.tile, channels), (batch, self.tile, self.tile, 3))
            inputs = [jax.ShapeDtypeStruct(shape, np.float32) for shape in (*shapes, (batch,))]
            compiled = predict.lower(self._variables, *inputs).compile()
            needs = compiled.memory_analysis()
            if needs is None:
                return len(devices), predict
            each = (needs.temp_size_in_bytes + needs.output_size_in_bytes) // most
            fitting = min(tiles_that_fit(free, each), most)
            if fitting == most:
                return batch, compiled
            most = fitting


def tiles_that_fit(free: int, each: int) -> int:
    """Returns how many tiles a device should predict at once.

    Args:
        free: bytes of the device's memory.
        each: bytes that one tile needs.

    Returns:
        The largest power of two that fits into half of what is free, 1 to `MOST`.
    """
    most = min(MOST, free // (2 * max(each, 1)))
    return 1 << max(0, most.bit_length() - 1)
