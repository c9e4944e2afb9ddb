"""One set-up for the whole suite: several CPU devices, shape checks, strict promotion of ranks."""

import os
import signal
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = ""  # what was compiled before proves nothing
os.environ.setdefault("NPROC", "32")  # threads of XLA's pool; see launch/cpu.sh

from jaxtyping import install_import_hook

# Every annotated shape of the package is checked while the tests run, and only then.
install_import_hook("haqagen_jax", "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
if not flags.FLAGS.is_parsed():  # Grain's worker processes read absl flags.
    flags.FLAGS.mark_as_parsed()
# A suite in the background of a shell ignores Ctrl-C, and so would all programs it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts training first: its few long tests would be waited for, were they the last."""
    training = Path(__file__).parent / "train"
    items.sort(key=lambda item: training not in item.path.parents)
