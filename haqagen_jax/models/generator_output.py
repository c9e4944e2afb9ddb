"""The output of every generator, and the check of the size of its input."""

from typing import NamedTuple

from jax import Array
from jaxtyping import Float

MULTIPLE = 256  # of height and width: eight halvings


class GeneratorOutput(NamedTuple):
    """Both predictions, float32 in [0, 1]."""

    rgb: Float[Array, "b h w 3"]
    hsv: Float[Array, "b h w 3"]


def require_multiple(nir: Float[Array, "b h w c"], multiple: int) -> None:
    """Refuse images that a network's halvings do not divide.

    Args:
        nir: Images of any size, b h w c.
        multiple: Number of which the height and width must be positive multiples.

    Raises:
        ValueError: The height or width is not such a multiple.
    """
    _, h, w, _ = nir.shape
    if h % multiple or w % multiple or not h * w:
        raise ValueError(
            f"nir of {h} x {w}: both must be positive multiples of {multiple}; "
            "haqagen_jax.load().colorize takes images of any size"
        )
