"""Two baselines that learn nothing or next to nothing, to compare networks with.

`grey` repeats the NIR image three times; `table` looks every NIR level up in a table fitted on
pairs. Both take the min-max NIR image, not equalized, and run through the same engine as any
network: float32, (b, h, w, 1) to (b, h, w, 3), sRGB-encoded in [0, 1].
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Real

from haqagen_jax.config.schema import Config, DataConfig
from haqagen_jax.errors import InputError
from haqagen_jax.nir.preparation import prepare_nir

LEVELS = 256
CONFIG = Config(data=DataConfig(equalize=False))


class Output(NamedTuple):
    """The prediction of a baseline, which has no HSV branch."""

    rgb: Float[Array, "b h w 3"]


@dataclasses.dataclass(frozen=True)
class Gray:
    """The baseline `grey`: the NIR image as all three channels."""

    def apply(self, variables: Mapping[str, Any], nir: Float[Array, "b h w 1"]) -> Output:
        """Repeat the NIR image.

        Args:
            variables: Ignored; here for the interface of networks.
            nir: Prepared NIR in [0, 1], b h w 1.

        Returns:
            The gray images, b h w 3.
        """
        del variables
        return Output(jnp.repeat(nir, 3, axis=-1))


@dataclasses.dataclass(frozen=True)
class Table:
    """The baseline `table`: one color for each NIR level."""

    def apply(self, variables: Mapping[str, Any], nir: Float[Array, "b h w 1"]) -> Output:
        """Look NIR levels up in the table.

        Args:
            variables: The table, [256, 3], as `variables["params"]["table"]`.
            nir: Prepared NIR in [0, 1], b h w 1; values outside are clipped.

        Returns:
            The colors of the levels, b h w 3.
        """
        levels = jnp.rint(jnp.clip(nir[..., 0], 0.0, 1.0) * (LEVELS - 1)).astype(jnp.int32)
        return Output(variables["params"]["table"][levels])


def fit_table(
    pairs: Iterable[tuple[Real[np.ndarray, "h w"], Float[np.ndarray, "h w 3"]]],
) -> Float[np.ndarray, "256 3"]:
    """Fit the least-squares table: the mean color of the pixels of each NIR level.

    Args:
        pairs: Images (nir, rgb) of equal size; NIR of any range, RGB sRGB-encoded in [0, 1]. What
            is masked in either counts for no level.

    Returns:
        The table, float32 [256, 3] in [0, 1]; levels that do not occur are interpolated.

    Raises:
        InputError: There are no pairs, or a NIR image cannot be prepared.
    """
    total, count = np.zeros((LEVELS, 3)), np.zeros(LEVELS)
    for nir, rgb in pairs:
        known = ~(np.ma.getmaskarray(nir) | np.ma.getmaskarray(rgb).any(-1))
        unit = prepare_nir(nir, equalize=False)[..., 0][known]
        colors = np.ma.getdata(rgb)[known]
        levels = np.rint(unit * np.float32(LEVELS - 1)).astype(np.int64)
        count += np.bincount(levels, minlength=LEVELS)
        for channel in range(3):
            total[:, channel] += np.bincount(levels, colors[:, channel], LEVELS)
    seen = np.flatnonzero(count)
    if not len(seen):
        raise InputError("a table needs at least one pair of images; give a folder of pairs")
    means = total[seen] / count[seen, None]
    table = [np.interp(np.arange(LEVELS), seen, means[:, channel]) for channel in range(3)]
    return np.stack(table, -1).astype(np.float32)
