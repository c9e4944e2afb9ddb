"""One set-up for the whole suite: several CPU devices, shape checks, strict promotion of ranks."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)

from jaxtyping import install_import_hook

# Every annotated shape of the package is checked while the tests run, and only then.
install_import_hook("haqagen_jax", "beartype.beartype")

import jax  # noqa: E402
from absl import flags  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
if not flags.FLAGS.is_parsed():  # Grain's worker processes read absl flags.
    flags.FLAGS.mark_as_parsed()
