"""What a user chooses about colouring: one value for the library, the command and the scores."""

import dataclasses

import numpy as np

from haqagen_jax import paper
from haqagen_jax.errors import InputError
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.ops.windows import WINDOWS

PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How pictures are cut, coloured and put together.

    Attributes:
        tile: side of the sliding window, pixels; a multiple of 256 for networks.
        stride: step of the sliding window, 1 to `tile` pixels.
        window: by which tiles are blended, a name of `haqagen_jax.ops.windows.WINDOWS`.
        batch: tiles predicted at once, on all devices together; rounded up to a multiple of them.
            None: one for each device on a CPU, as many as fit well into memory elsewhere.
        consistent: make the tiles of a picture agree; see `haqagen_jax.inference.consistency`.
        precision: what the network computes in; its colours come back as float32.

    Raises:
        InputError: a value of another type or out of range.
    """

    tile: int = paper.PATCH
    stride: int = paper.STRIDE
    window: str = "hann"
    batch: int | None = None
    consistent: bool = True
    precision: str = "float32"

    def __post_init__(self) -> None:
        TilePlan(1, 1, self.tile, self.stride)
        for name, value, choices in (
            ("window", self.window, WINDOWS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in choices:
                raise InputError(f"{name} = {value!r}: must be one of {', '.join(choices)}")
        if self.batch is None:
            return
        if isinstance(self.batch, bool) or not isinstance(self.batch, int | np.integer):
            raise InputError(f"batch = {self.batch!r}: must be a whole number of tiles, or None")
        if self.batch < 1:
            raise InputError(f"batch = {self.batch}: must be at least 1")
