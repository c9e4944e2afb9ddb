"""Weights, inputs and outputs of the published PyTorch modules, in our layout.

Each file of tests/golden/parts holds `weight/<name>`, `in/<i>` and `out/0` of one module, run in
float32; nothing here needs PyTorch.
"""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

PARTS = Path(__file__).parents[1] / "golden" / "parts"


class Published:
    """One published module; `at` goes to a submodule of it."""

    def __init__(self, arrays: dict[str, np.ndarray], prefix: str = ""):
        self.arrays = arrays
        self.prefix = prefix

    def at(self, name: str) -> "Published":
        return Published(self.arrays, f"{self.prefix}{name}.")

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[f"weight/{self.prefix}{name}"]

    def __contains__(self, name: str) -> bool:
        return f"weight/{self.prefix}{name}" in self.arrays

    @property
    def inputs(self) -> list[Array]:
        names = sorted(name for name in self.arrays if name.startswith("in/"))
        return [_channels_last(self.arrays[name]) for name in names]

    def check(self, result: Array, tolerance: float = 3e-6) -> None:
        """Compares to `tolerance` of the largest published value."""
        expected = _channels_last(self.arrays["out/0"])
        assert result.shape == expected.shape
        scale = float(jnp.abs(expected).max())
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * scale)

    def conv(self, name: str) -> dict:
        """o i h w -> h w i o, depthwise convolutions too."""
        return self._with_bias(name, self[f"{name}.weight"].transpose(2, 3, 1, 0))

    def conv_transpose(self, name: str) -> dict:
        """i o h w -> h w i o."""
        return self._with_bias(name, self[f"{name}.weight"].transpose(2, 3, 0, 1))

    def dense(self, name: str) -> dict:
        return self._with_bias(name, self[f"{name}.weight"].T)

    def norm(self, name: str) -> dict:
        return {"scale": self[f"{name}.weight"], "bias": self[f"{name}.bias"]}

    def _with_bias(self, name: str, kernel: np.ndarray) -> dict:
        bias = {"bias": self[f"{name}.bias"]} if f"{name}.bias" in self else {}
        return {"kernel": kernel, **bias}

    def agent_attention(self) -> dict:
        # One window: the 7 x 7 biases are resized to one sample, which is their center.
        reading = self["na_bias"][:, :, 3, 3] + (self["ha_bias"] + self["wa_bias"])[0, :, 0, 0]
        dense = {name: self.dense(name) for name in ("q", "kv", "proj")}
        return {**dense, "dwc": self.conv("dwc"), "agent_bias": reading}

    @staticmethod
    def spectral(weight: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[dict, dict]:
        """A kernel from o i h w and its state; `v` is over i h w there and over h w i here."""
        _, inputs, height, width = weight.shape
        v = v.reshape(inputs, height, width).transpose(1, 2, 0).reshape(-1)
        return {"kernel": weight.transpose(2, 3, 1, 0)}, {"u": u, "v": v}


def _channels_last(array: np.ndarray) -> Array:
    return jnp.asarray(array.transpose(0, 2, 3, 1) if array.ndim == 4 else array)


@pytest.fixture(scope="session")
def published() -> Callable[[str], Published]:
    def load(name: str) -> Published:
        return Published(dict(np.load(PARTS / f"{name}.npz")))

    return load
