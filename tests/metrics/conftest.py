"""Images to measure, and the two precisions that metrics have."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "parts" / "losses_metrics.npz"


class Images(NamedTuple):
    prediction: np.ndarray
    target: np.ndarray

    @property
    def each(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The same values in float64, image by image."""
        return list(zip(*(array.astype(np.float64) for array in self), strict=True))


class Precision(NamedTuple):
    dtype: np.dtype
    tolerance: float


@pytest.fixture(scope="session")
def images() -> Images:
    """Unrelated noise, a slightly disturbed smooth image, one nearly flat, and its own negative."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:23, :31] / 31
    smooth = np.stack([x, y, 0.5 + 0.4 * np.sin(7 * x * y)], -1)
    noise = rng.random((23, 31, 3))
    flat = 0.9 + 1e-3 * noise
    targets = np.stack([rng.random((23, 31, 3)), smooth, flat, smooth])
    predictions = np.stack([noise, smooth + 0.02 * noise, flat + 1e-3 * noise[::-1], 1 - smooth])
    return Images(predictions.astype(np.float32), targets.astype(np.float32))


@pytest.fixture(scope="session")
def published() -> dict[str, np.ndarray]:
    """Images, and their values by the published code."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


@pytest.fixture(params=[("float32", 1e-4), ("float64", 1e-6)], ids=lambda param: param[0])
def precision(request) -> Iterator[Precision]:
    """The precision that is on, and how near the truth values are in it."""
    name, tolerance = request.param
    with jax.enable_x64(name == "float64"):
        yield Precision(np.dtype(name), tolerance)
