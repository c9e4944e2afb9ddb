"""The network as one compiled function from NIR tiles to sRGB tiles.

float32, (b, tile, tile, 1) to (b, tile, tile, 3), in [0, 1]. One (batch, tile) shape, so one
compilation: a short last batch is filled up. Not handled: several devices, other precisions.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float, Float32

from haqagen_jax.errors import InputError
from haqagen_jax.ops.color import linear_to_srgb

ACCELERATOR_BATCH = 8  # on a CPU a batch gains nothing and costs memory


@runtime_checkable
class Network(Protocol):
    """What the engine needs of a network: Flax modules have it, and so do the baselines."""

    @property
    def apply(self) -> Callable[..., Any]:
        """(variables, nir [b h w 1]) -> a named tuple whose `rgb` is [b h w 3]."""
        ...


def default_batch() -> int:
    """Returns the number of tiles that are predicted at once when nobody says."""
    return 1 if jax.default_backend() == "cpu" else ACCELERATOR_BATCH


class TilePredictor:
    """Predicts batches of tiles with one compiled function."""

    def __init__(
        self, network: Network, variables: Mapping[str, Any], *, rgb_transfer: str, batch: int
    ) -> None:
        def predict(variables: Any, nir: jax.Array) -> jax.Array:
            rgb = network.apply(variables, nir).rgb.astype(np.float32)
            return linear_to_srgb(rgb) if rgb_transfer == "linear" else rgb

        self.batch = batch
        with _memory("the model needs"):
            self._variables = jax.device_put(variables)
        self._predict = jax.jit(predict)

    def __call__(
        self, nir: Float32[np.ndarray, "n tile tile 1"]
    ) -> Float[np.ndarray, "n tile tile 3"]:
        """Predicts up to `batch` tiles.

        Args:
            nir: 1 to `batch` tiles in [0, 1].

        Returns:
            As many sRGB-encoded tiles.

        Raises:
            InputError: they do not fit into the device's memory.
        """
        missing = self.batch - len(nir)
        full = np.concatenate([nir, np.repeat(nir[-1:], missing, axis=0)])
        with _memory(f"batch = {self.batch}: so many tiles of {nir.shape[1]} pixels need"):
            return np.asarray(self._predict(self._variables, full))[: len(nir)]


@contextlib.contextmanager
def _memory(needs: str) -> Iterator[None]:
    """Turns the device's lack of memory into the user's choice."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise InputError(
            f"{needs} more memory than the device has free; give a smaller batch or tile, or end "
            "what else runs on it"
        ) from None
