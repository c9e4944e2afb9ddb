"""AdamW with a cosine schedule, the same for the generator and the critics.

Reference: HAQAGen Sec. 4, "Training protocol"; which parameters are not decayed is Mamba's own
practice.
"""

import jax
import optax

from haqagen_jax.config.schema import OptimConfig


def make_schedule(optim: OptimConfig, *, steps: int) -> optax.Schedule:
    """Build the learning-rate schedule: a half cosine over the whole run.

    Args:
        optim: The first and the last learning rate.
        steps: Length of the run.

    Returns:
        A function from the step to the learning rate.
    """
    return optax.cosine_decay_schedule(
        optim.learning_rate, steps, alpha=optim.final_learning_rate / optim.learning_rate
    )


def make_optimizer(optim: OptimConfig, *, steps: int) -> optax.GradientTransformation:
    """Build the optimizer of one side: AdamW, with clipping and a slower trunk if wanted.

    Args:
        optim: Its hyperparameters.
        steps: Length of the run, for the schedule.

    Returns:
        The gradient transformation.
    """
    adamw = optax.adamw(
        make_schedule(optim, steps=steps),
        b1=optim.b1,
        b2=optim.b2,
        weight_decay=optim.weight_decay,
        mask=decayed,
    )
    parts: list[optax.GradientTransformation] = [adamw]
    if optim.clip:
        parts.insert(0, optax.clip_by_global_norm(optim.clip))
    if optim.trunk != 1:
        parts.append(optax.masked(optax.scale(optim.trunk), in_trunk))
    return optax.chain(*parts) if len(parts) > 1 else adamw


def in_trunk(params: optax.Params) -> optax.Params:
    """Mark the parameters of a pretrained trunk, whose module is called "trunk".

    Args:
        params: A tree of parameters or of their shapes.

    Returns:
        The tree with True for those inside the trunk, else False.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, _: any(part.key == "trunk" for part in path), params
    )


def decayed(params: optax.Params) -> optax.Params:
    """Mark the parameters that decay: kernels, but no bias, norm, skip scale, `A_log` or `D`.

    Args:
        params: A tree of parameters or of their shapes.

    Returns:
        The tree with True for those that decay, else False.
    """

    def kernel(path: tuple, leaf: jax.Array | jax.ShapeDtypeStruct) -> bool:
        name = path[-1].key
        return leaf.ndim > 1 and not name.endswith("bias") and name not in ("A_log", "D")

    return jax.tree_util.tree_map_with_path(kernel, params)
