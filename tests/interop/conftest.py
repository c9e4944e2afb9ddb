"""A published ColorMamba checkpoint of seeded values; files as torch.save writes them."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class Global:
    """A name that a pickle refers to; nothing is imported to write it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None: ...  # the pickler asks for what can be called

    def __reduce__(self) -> str:
        return self.name


class Instance:
    """An object of a class of some other program."""

    def __init__(self, module: str, name: str, state: Any = None) -> None:
        self.kind, self.state = Global(module, name), state

    def __reduce__(self) -> tuple:
        return (self.kind, ()) if self.state is None else (self.kind, (), self.state)


class _Storage:
    def __init__(self, array: np.ndarray, key: str) -> None:
        self.array, self.key = array, key


class _Tensor:
    def __init__(self, array: np.ndarray, key: str) -> None:
        self.storage, self.array = _Storage(array, key), array

    def __reduce__(self) -> tuple:
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        arguments = (self.storage, 0, self.array.shape, strides, False, {})
        return Global("torch._utils", "_rebuild_tensor_v2"), arguments


class _Pickler(pickle._Pickler):  # the C one would look names up
    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = obj.module if isinstance(obj, Global) else obj.__module__
        self.write(pickle.GLOBAL + f"{module}\n{name or obj.__qualname__}\n".encode())  # pyright: ignore
        self.memoize(obj)  # pyright: ignore

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, _Storage):
            names = {"float32": "Float", "float16": "Half", "int64": "Long", "float64": "Double"}
            kind = Global("torch", f"{names[obj.array.dtype.name]}Storage")
            return ("storage", kind, obj.key, "cuda:0", obj.array.size)
        return None


def _torch_save(path: Path, tree: Any, *, sequence: bool = False) -> Path:
    """Write nested containers, arrays for tensors, as torch.save does in its two forms."""
    arrays: list[np.ndarray] = []

    def tensors(node: Any) -> Any:
        if isinstance(node, np.ndarray):
            arrays.append(np.array(node, order="C"))
            return _Tensor(arrays[-1], str(len(arrays) - 1))
        if isinstance(node, dict):
            return type(node)((key, tensors(value)) for key, value in node.items())
        if isinstance(node, list | tuple):
            return type(node)(map(tensors, node))
        if isinstance(node, Instance):
            return Instance(node.kind.module, node.kind.name, tensors(node.state))
        return node

    buffer = io.BytesIO()
    _Pickler(buffer, 2).dump(tensors(tree))
    if sequence:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        keys = pickle.dumps([str(i) for i in range(len(arrays))], 2)
        data = [np.int64(x.size).tobytes() + x.tobytes() for x in arrays]
        parts = [*(pickle.dumps(x, 2) for x in head), buffer.getvalue(), keys, *data]
        path.write_bytes(b"".join(parts))
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        for key, array in enumerate(arrays):
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


@pytest.fixture(scope="session")
def torch_save() -> Callable[..., Path]:
    return _torch_save


@pytest.fixture(scope="session")
def instance() -> type:
    """The class of objects that other programs put into checkpoints."""
    return Instance
