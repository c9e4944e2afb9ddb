"""A published ColorMamba checkpoint of seeded values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# Names and shapes of the published generator's state dict at width 8.
NAMES = Path(__file__).parents[1] / "golden" / "colormamba" / "ngf8_names.txt"


def _seeded(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Draw values under which every part matters, in the order of the names."""
    rng = np.random.Generator(np.random.PCG64(7))
    seeded = {}
    for name in sorted(shapes):
        shape, leaf = shapes[name], name.rpartition(".")[2]
        noise = rng.standard_normal(shape, np.float32)
        if leaf == "num_batches_tracked":
            seeded[name] = np.array(5, np.int64)
        elif leaf == "A_logs":
            seeded[name] = np.log(np.arange(1, shape[1] + 1, dtype=np.float32)) + 0.1 * noise
        elif leaf in ("Ds", "skip_scale", "skip_scale2") or (leaf == "weight" and len(shape) == 1):
            seeded[name] = 1 + 0.2 * noise
        elif leaf == "running_var":
            seeded[name] = 1 + 0.2 * np.abs(noise)
        elif leaf == "dt_projs_bias":
            seeded[name] = -3 + 0.5 * noise
        elif leaf in ("weight", "weight_orig", "x_proj_weight", "dt_projs_weight"):
            seeded[name] = noise * np.float32(np.prod(shape[1:]) ** -0.5)
        else:
            seeded[name] = np.float32(0.3) * noise
    for name in shapes:
        if name.endswith("weight_orig"):
            weight, matrix = name.removesuffix("orig"), seeded[name].reshape(len(seeded[name]), -1)
            u, v = seeded[f"{weight}u"], seeded[f"{weight}v"]
            for _ in range(3):  # near the largest singular value, and not at it
                v = u @ matrix
                v /= np.linalg.norm(v)
                u = matrix @ v
                u /= np.linalg.norm(u)
            seeded |= {f"{weight}u": u, f"{weight}v": v}
    return seeded


@pytest.fixture(scope="session")
def checkpoint() -> Callable[[], dict[str, np.ndarray]]:
    """Return a new dict of the same tensors each time."""
    shapes = {}
    for line in NAMES.read_text().splitlines():
        name, _, shape = line.partition(" ")
        shapes[name] = tuple(int(size) for size in shape.split("x") if size)
    tensors = _seeded(shapes)
    return lambda: dict(tensors)
