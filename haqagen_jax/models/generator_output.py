"""What every generator returns, and what it asks of the size of its input."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float

MULTIPLE = 256  # height and width that eight halvings need


class GeneratorOutput(NamedTuple):
    """Both predictions, float32 in [0, 1]."""

    rgb: Float[Array, "b h w 3"]
    hsv: Float[Array, "b h w 3"]


def require_multiple(nir: Float[Array, "b h w c"], multiple: int) -> None:
    """Refuse images that a network's halvings do not divide.

    Args:
        nir: of any size.
        multiple: what its height and width must be positive multiples of.

    Raises:
        ValueError: they are not.
    """
    _, h, w, _ = nir.shape
    if h % multiple or w % multiple or not h * w:
        raise ValueError(
            f"nir of {h} x {w}: both must be positive multiples of {multiple}; "
            "haqagen_jax.load().colorize takes images of any size"
        )
