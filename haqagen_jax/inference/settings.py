"""The settings of coloring: one value for the library, the command and the evaluation."""

import dataclasses

import numpy as np

from haqagen_jax import paper
from haqagen_jax.errors import InputError
from haqagen_jax.inference.tiling import TilePlan

PRECISIONS = ("float32", "bfloat16")
MODES = ("whole", "sliding")
DETAILS = ("guided", "network")
# Copies of constants of `haqagen_jax.ops`, whose import takes as long as that of jax.
LEAST_EPS = 1e-6
MINMAX = (0.0, 100.0)
WINDOWS = ("hann", "cosine", "triangle", "flat")
MOSAIC = 24  # times the working size: longer images are mosaics, not photographs


@dataclasses.dataclass(frozen=True)
class Settings:
    """How images are cut, colored and blended.

    Attributes:
        mode: "whole": an image is reduced to `size`, and the network sees all of it at once; a
            mosaic is seen in windows of `size` at `scale`. "sliding": the paper's window of `tile`
            pixels at the image's own size.
        size: the long side that an image is reduced to, pixels; a multiple of 32 for
            `fast`, of 256 for other networks.
        scale: at which a mosaic is seen, to its own size, 1e-6 to 1.
        detail: "guided": the colors follow the structure of the NIR image. "network": they are
            the network's, enlarged.
        radius: of the guided layer's boxes, pixels of the reduced image; see
            `haqagen_jax.ops.guided`.
        eps: of the guided layer, at least `haqagen_jax.ops.guided.LEAST_EPS`.
        stretch: percentiles of the NIR image that become black and white, as (0, 100) for min-max;
            None: see `haqagen_jax.nir.network_input.fit_for_coloring`.
        ensemble: average the colors of the image, its mirror image, and both at half the size.
        tile: side of the sliding window, pixels; as for `size`.
        stride: step of the sliding window, 1 to `tile` pixels.
        window: by which tiles are blended, a name of `haqagen_jax.ops.windows.WINDOWS`.
        batch: tiles predicted at once, on all devices together; rounded up to a multiple of them.
            None: one for each device on a CPU, as many as fit well into memory elsewhere.
        precision: what the network computes in; its colors come back as float32.

    Raises:
        InputError: a value of another type or out of range.

    Reference: HAQAGen Sec. 3.3, Algorithm 1, for the sliding window; the rest is ours.
    """

    mode: str = "whole"
    size: int = 512
    scale: float = 1.0
    detail: str = "guided"
    radius: int = 16
    eps: float = 1e-3
    stretch: tuple[float, float] | None = None
    ensemble: bool = False
    tile: int = paper.PATCH
    stride: int = paper.STRIDE
    window: str = "hann"
    batch: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        TilePlan(1, 1, self.tile, self.stride)
        for name, value, choices in (
            ("mode", self.mode, MODES),
            ("detail", self.detail, DETAILS),
            ("window", self.window, WINDOWS),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in choices:
                raise InputError(f"{name} = {value!r}: must be one of {', '.join(choices)}")
        _require_whole("size", self.size, 16, LARGEST, "pixels")
        _require_whole("radius", self.radius, 1, self.size, "pixels, at most the size")
        _require_number("scale", self.scale, 1e-6, 1.0)
        _require_number("eps", self.eps, LEAST_EPS, 1e6)
        if self.stretch is not None:
            _require_percentiles(self.stretch)
        if self.batch is not None:
            _require_whole("batch", self.batch, 1, None, "tiles, or None")

    @property
    def largest_tile(self) -> int:
        """The largest side of a tile that the network sees, pixels."""
        return self.size if self.mode == "whole" else self.tile


LARGEST = 8192  # pixels of the long side that a network sees at once


def _require_percentiles(stretch: object) -> None:
    numbers = [
        n
        for n in (stretch if isinstance(stretch, tuple) else ())
        if isinstance(n, int | float | np.number) and not isinstance(n, bool)
    ]
    if len(numbers) != 2 or not 0 <= numbers[0] < numbers[1] <= 100:
        raise InputError(
            f"stretch = {stretch!r}: must be two percentiles, the lower first, each from 0 to 100"
        )


def _require_whole(name: str, value: object, least: int, most: int | None, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} = {value!r}: must be a whole number of {unit}")
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} = {value}: must be {limits}")


def _require_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InputError(f"{name} = {value!r}: must be a number")
    if not least <= float(value) <= most:
        raise InputError(f"{name} = {value}: must be from {least:g} to {most:g}")
