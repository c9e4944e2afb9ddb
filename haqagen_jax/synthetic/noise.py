"""Seeded value noise: the source of every texture of a rendered scene.

Coordinates are float32 arrays of any shape that broadcast together, in units of the coarsest
wavelength; results are float32, centered on 0, within [-1, 1]. The pattern repeats after 256 cells.
"""

import numpy as np
from jaxtyping import Float

Field = Float[np.ndarray, "..."]

_BITS = 8
_MASK = (1 << _BITS) - 1
# Each octave is turned by this angle (radians), so that the lattices of the octaves do not line up.
_TURN = 0.65


class Noise:
    """Value noise from one table of seeded numbers."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._table = rng.random(1 << 2 * _BITS, dtype=np.float32) * 2 - 1

    def cells(self, x: Field, y: Field) -> Field:
        """Return one number for each unit square, as for the color of a brick or a field.

        Args:
            x: Horizontal coordinate.
            y: Vertical coordinate.

        Returns:
            Constant inside a square, in [-1, 1], of the broadcast shape.
        """
        column = np.floor(x).astype(np.int32) & _MASK
        row = np.floor(y).astype(np.int32) & _MASK
        return self._table[(row << _BITS) | column]

    def smooth(self, x: Field, y: Field) -> Field:
        """Interpolate the table smoothly, which is one octave of noise.

        Args:
            x: Horizontal coordinate.
            y: Vertical coordinate.

        Returns:
            In [-1, 1], of the broadcast shape.
        """
        x0, y0 = np.floor(x), np.floor(y)
        fx, fy = x - x0, y - y0
        fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
        left, top = x0.astype(np.int32) & _MASK, (y0.astype(np.int32) & _MASK) << _BITS
        right, bottom = (left + 1) & _MASK, (top + (1 << _BITS)) & (_MASK << _BITS)
        upper = self._lerp(top | left, top | right, fx)
        lower = self._lerp(bottom | left, bottom | right, fx)
        lower -= upper
        lower *= fy
        upper += lower
        return upper

    def fractal(
        self,
        x: Field,
        y: Field,
        octaves: int,
        *,
        pixel: Field | float = 0.0,
        gain: float = 0.5,
    ) -> Field:
        """Sum octaves of noise, each twice as fine and weaker by `gain`.

        Args:
            x: Horizontal coordinate.
            y: Vertical coordinate.
            octaves: At least 1.
            pixel: Size of a pixel in the same coordinates; octaves too fine for it fade out,
                which is what keeps distant ground from flickering.
            gain: Strength of an octave relative to the one before.

        Returns:
            In [-1, 1], of the broadcast shape; weights are normalized before fading.
        """
        cos, sin = 2 * np.float32(np.cos(_TURN)), 2 * np.float32(np.sin(_TURN))
        weight = np.float32((1 - gain) / (1 - gain**octaves))
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
        for octave in range(octaves):
            # 1 while a wavelength covers three pixels, 0 from 1.5 pixels on.
            fade = np.clip(2 - 3 * (np.float32(2**octave) * pixel), 0, 1)
            if np.any(fade > 0):
                total += self.smooth(x, y) * (fade * weight).astype(np.float32)
            x, y = cos * x - sin * y + np.float32(17.3), sin * x + cos * y + np.float32(5.7)
            weight = np.float32(weight * gain)
        return total

    def _lerp(self, a: np.ndarray, b: np.ndarray, amount: Field) -> Field:
        start = self._table[a]
        end = self._table[b]
        end -= start
        return start + end * amount


def smoothstep(low: float, high: float, x: Field) -> Field:
    """Rise smoothly from 0 at `low` to 1 at `high`.

    Args:
        low: Where the rise begins.
        high: Where it ends; may be below `low`, for a fall.
        x: Any values.

    Returns:
        In [0, 1], the shape of `x`.
    """
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
