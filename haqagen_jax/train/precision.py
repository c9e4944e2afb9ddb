"""The compute dtype of a training run, and the scale that keeps float16 gradients in range.

Parameters, optimizers, losses, histograms and the scan's state are float32 whatever the precision.

Reference: Micikevicius et al., "Mixed Precision Training" (2018), for the dynamic scale; HAQAGen
Sec. 4 for the use of float16.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float

from haqagen_jax.errors import InputError

START = 2.0**15
GROW_AFTER = 2000  # steps without an overflow
LEAST = 1.0


def compute_dtype(precision: str) -> jnp.dtype:
    """Choose the dtype that convolutions and projections compute in.

    Args:
        precision: One of `haqagen_jax.config.train.PRECISIONS`; "auto" is bfloat16 on TPUs and
            on NVIDIA GPUs that have it (compute capability 8 and above), float32 elsewhere.

    Returns:
        The dtype.

    Raises:
        InputError: float64 without JAX_ENABLE_X64.
    """
    if precision == "auto":
        return jnp.dtype(jnp.bfloat16 if _has_bfloat16(jax.devices()[0]) else jnp.float32)
    if precision == "float64" and not jax.config.read("jax_enable_x64"):
        raise InputError(
            "train.precision = 'float64': needs 64 bits; set JAX_ENABLE_X64=1 in the environment"
        )
    return jnp.dtype(precision)


def _has_bfloat16(device: Any) -> bool:
    """Say whether a device is known to compute fast in bfloat16."""
    # NVIDIA's capabilities read "9.0", AMD's "gfx90a"; other devices have none.
    major, point, _ = str(getattr(device, "compute_capability", "")).partition(".")
    ampere = bool(point) and major.isdecimal() and int(major) >= 8
    return device.platform == "tpu" or (device.platform == "gpu" and ampere)


@struct.dataclass
class LossScale:
    """The dynamic loss scale of float16.

    Attributes:
        scale: What the losses are multiplied by before the backward pass, a float32 scalar.
        streak: Steps since the last overflow or the last growth, an int32 scalar.
    """

    scale: Any
    streak: Any

    @classmethod
    def start(cls) -> "LossScale":
        """Return the scale of a run's first step.

        Returns:
            `START`, with a streak of 0.
        """
        return cls(jnp.asarray(START, jnp.float32), jnp.zeros((), jnp.int32))

    def after(self, finite: Bool[Array, ""]) -> "LossScale":
        """Compute the next step's scale: half after an overflow, double after a long streak.

        Args:
            finite: Whether the gradients of this step were finite, a scalar.

        Returns:
            The next scale, at least `LEAST`.
        """
        streak = jnp.where(finite, self.streak + 1, 0)
        grow = streak == GROW_AFTER
        scale = jnp.where(
            finite,
            jnp.where(grow, self.scale * 2, self.scale),
            jnp.maximum(self.scale / 2, LEAST),
        )
        return LossScale(scale, jnp.where(grow, 0, streak))


def unscaled(tree: Any, scale: Float[Array, ""]) -> Any:
    """Divide the gradients of a scaled loss by its scale.

    Args:
        tree: Gradients.
        scale: What the loss was multiplied by.

    Returns:
        Gradients of the loss itself.
    """
    return jax.tree.map(lambda x: x / scale, tree)
