"""AdamW with a cosine schedule, the same for the generator and the critics.

Reference: HAQAGen Sec. 4, "Training protocol"; which parameters are not decayed is Mamba's own
practice.
"""

import jax
import optax

from haqagen_jax.config import OptimConfig


def make_schedule(optim: OptimConfig, *, steps: int) -> optax.Schedule:
    """Returns the learning rate as a function of the step: a half cosine over the whole run."""
    return optax.cosine_decay_schedule(
        optim.learning_rate, steps, alpha=optim.final_learning_rate / optim.learning_rate
    )


def make_optimizer(optim: OptimConfig, *, steps: int) -> optax.GradientTransformation:
    """Returns AdamW for a run of `steps` steps, after clipping if there is any."""
    adamw = optax.adamw(
        make_schedule(optim, steps=steps),
        b1=optim.b1,
        b2=optim.b2,
        weight_decay=optim.weight_decay,
        mask=decayed,
    )
    return optax.chain(optax.clip_by_global_norm(optim.clip), adamw) if optim.clip else adamw


def decayed(params: optax.Params) -> optax.Params:
    """Marks the parameters that decay: kernels, but no bias, norm, skip scale, `A_log` or `D`."""

    def kernel(path: tuple, leaf: jax.Array | jax.ShapeDtypeStruct) -> bool:
        name = path[-1].key
        return leaf.ndim > 1 and not name.endswith("bias") and name not in ("A_log", "D")

    return jax.tree_util.tree_map_with_path(kernel, params)
