"""Weights and outputs of the published PyTorch modules, in our layout.

Each file of tests/golden/parts holds `weight/<name>`, `in/<i>` and `out/<i>` of one module, run in
float32; nothing here needs PyTorch.
"""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

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
    def inputs(self) -> list[np.ndarray]:
        return [self.arrays[name] for name in sorted(self.arrays) if name.startswith("in/")]

    @property
    def output(self) -> np.ndarray:
        return self.arrays["out/0"]

    def conv(self, name: str) -> dict:
        """o i h w -> h w i o, for dense and depthwise convolutions alike."""
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


def channels_last(array: np.ndarray) -> jnp.ndarray:
    return jnp.asarray(array.transpose(0, 2, 3, 1))


def spectral_state(kernel: np.ndarray, u: np.ndarray, v: np.ndarray) -> dict:
    """Ours: `u` over outputs, `v` over h w i; PyTorch's `v` is over i h w."""
    height, width, inputs, _ = kernel.shape
    return {"u": u, "v": v.reshape(inputs, height, width).transpose(1, 2, 0).reshape(-1)}


def assert_close(result: jnp.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """To `tolerance` of the largest expected value."""
    assert result.shape == expected.shape
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * scale)


@pytest.fixture(scope="session")
def published() -> Callable[[str], Published]:
    return lambda name: Published(dict(np.load(PARTS / f"{name}.npz")))
