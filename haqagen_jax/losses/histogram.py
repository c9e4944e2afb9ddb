"""Global color prior: the distance between channel CDFs; `b h w c` in [0, 1], float32 inside."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from haqagen_jax import paper
from haqagen_jax.ops.checks import Images, Like, paired
from haqagen_jax.ops.histogram import soft_cdf


def cdf_l1(
    prediction: Images,
    target: Like,
    *,
    bins: int = paper.HISTOGRAM_BINS,
    kernel: str = "triangular",
    tau: float = paper.HISTOGRAM_TAU,
) -> Float[Array, " b"]:
    """Return the mean over bins and channels of |CDF(prediction) - CDF(target)|.

    Args:
        prediction: Values in [0, 1].
        target: The same shape.
        bins: Number of histogram centers over [0, 1], at least 2.
        kernel: "triangular" or "logistic".
        tau: Width of the kernel in units of the image, positive.

    Returns:
        One value per image (b,), in [0, 1].

    Raises:
        ValueError: The shapes differ, or `bins`, `kernel` or `tau` is out of range.

    Reference: HAQAGen Eq. (3), the beta term; Sec. 3.2, "Differentiable histogram loss".

    Examples:
        >>> black, white = jnp.zeros((1, 8, 8, 3)), jnp.ones((1, 8, 8, 3))
        >>> round(float(cdf_l1(black, white)[0]), 3), cdf_l1(black, black).tolist()
        (0.979, [0.0])
    """
    prediction, target = paired(prediction, target)
    difference = soft_cdf(prediction, bins=bins, kernel=kernel, tau=tau) - soft_cdf(
        target, bins=bins, kernel=kernel, tau=tau
    )
    return jnp.abs(difference).mean((1, 2))
