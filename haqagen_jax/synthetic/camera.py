"""The camera, the light and the canvas of a rendered scene.

World: meters, X right, Y up, Z forward, ground at Y = 0, camera at (0, eye, 0) looking along Z with
focal length 1. Screen: x right from the middle, y down from the top, both in view heights. Radiance
is linear, float32, bands R, G, B, NIR last; 1 is a sunlit white diffuser.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from haqagen_jax.synthetic.materials import Bands, Material
from haqagen_jax.synthetic.noise import Field

Plane = Float[np.ndarray, "h w"]
Spectral = Float[np.ndarray, "h w 4"]
Vector = Float[np.ndarray, "3"]

# Views wider than this many heights show the same scene smaller, not ever more of it.
_WIDEST = 3.0


@dataclass(frozen=True)
class Window:
    """A rectangle of the canvas and the screen coordinates of its pixels."""

    rows: slice
    columns: slice
    x: Float[np.ndarray, "1 w"]
    y: Float[np.ndarray, "h 1"]


@dataclass(frozen=True)
class View:
    """A pinhole camera on a canvas of `height` x `width` pixels."""

    height: int
    width: int
    horizon: float
    eye: float

    @property
    def pixel(self) -> float:
        """Size of a pixel on the screen, in view heights."""
        return 1 / max(self.height, self.width / _WIDEST)

    @property
    def half_width(self) -> float:
        """Largest |x| on the screen."""
        return self.width * self.pixel / 2

    def window(self, left: float, right: float, top: float, bottom: float) -> Window | None:
        """Return the window of pixels that a rectangle of the screen touches.

        Args:
            left: Smallest x.
            right: Largest x.
            top: Smallest y.
            bottom: Largest y.

        Returns:
            The window, or None where the rectangle misses the canvas.
        """
        columns = _span(left / self.pixel + self.width / 2, right / self.pixel + self.width / 2)
        middle = self.height / 2
        rows = _span((top - 0.5) / self.pixel + middle, (bottom - 0.5) / self.pixel + middle)
        c0, c1 = max(columns[0], 0), min(columns[1], self.width)
        r0, r1 = max(rows[0], 0), min(rows[1], self.height)
        if c0 >= c1 or r0 >= r1:
            return None
        x = (np.arange(c0, c1) + 0.5 - self.width / 2) * self.pixel
        y = (np.arange(r0, r1) + 0.5 - middle) * self.pixel + 0.5
        return Window(
            slice(r0, r1), slice(c0, c1), x[None].astype(np.float32), y[:, None].astype(np.float32)
        )

    def whole(self) -> Window:
        """Return the window of the whole canvas.

        Returns:
            All rows and columns.
        """
        window = self.window(-self.half_width, self.half_width, -1e6, 1e6)
        assert window is not None
        return window

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Project points of the world onto the screen.

        Args:
            points: X, Y, Z in meters; Z > 0.

        Returns:
            (n, 2): x, y in view heights.
        """
        x, y, z = points.T
        return np.stack([x / z, self.horizon - (y - self.eye) / z], axis=1)

    def window_around(self, points: Float[np.ndarray, "n 3"], margin: float = 0.0) -> Window | None:
        """Return the window of pixels in the bounding box of some points of the world.

        Args:
            points: X, Y, Z in meters; Z > 0.
            margin: Added on each side, in view heights.

        Returns:
            The window, or None where the box misses the canvas.
        """
        screen = self.project(points)
        (left, top), (right, bottom) = screen.min(axis=0) - margin, screen.max(axis=0) + margin
        return self.window(float(left), float(right), float(top), float(bottom))


@dataclass(frozen=True)
class Light:
    """Sun, sky light and haze."""

    sun_direction: Vector
    sun: Bands
    sky: Bands
    haze: Bands
    extinction: Bands

    @property
    def sun_height(self) -> float:
        """Cosine of the sun's incidence on the ground."""
        return float(self.sun_direction[1])

    def toward(self, normal: Vector) -> float:
        """Return the cosine of the sun's incidence on a surface.

        Args:
            normal: Unit normal of the surface.

        Returns:
            Cosine between the normal and the sun, 0 where the surface is turned away.
        """
        return max(0.0, float(normal @ self.sun_direction))

    def shade(
        self,
        albedo: Float[np.ndarray, "... 4"],
        sunlit: Field | float,
        *,
        openness: Field | float = 1.0,
        distance: Field | float = 0.0,
    ) -> Float[np.ndarray, "... 4"]:
        """Light a surface and look at it through the air.

        Args:
            albedo: Reflectance, linear.
            sunlit: Cosine of the sun's incidence times its visibility.
            openness: Part of the sky that the surface sees.
            distance: Meters of air between the surface and the camera.

        Returns:
            Radiance, linear.
        """
        sunlit, openness, distance = (
            np.asarray(part, np.float32)[..., None] for part in (sunlit, openness, distance)
        )
        radiance = albedo * (sunlit * self.sun + openness * self.sky)
        clear = np.exp(-distance * self.extinction)
        radiance -= self.haze
        radiance *= clear
        radiance += self.haze
        return radiance


class Canvas:
    """The image being painted, from the back to the front."""

    def __init__(self, view: View, light: Light) -> None:
        self.view = view
        self.light = light
        self.radiance: Spectral = np.zeros((view.height, view.width, 4), np.float32)
        self.label = np.zeros((view.height, view.width), np.uint8)

    def paint(
        self,
        window: Window,
        radiance: Float[np.ndarray, "h w 4"],
        alpha: Plane,
        label: Material | np.ndarray,
    ) -> None:
        """Blend a radiance into a part of the canvas.

        Args:
            window: Part of the canvas.
            radiance: Radiance of what is painted, linear.
            alpha: Coverage of each pixel, in [0, 1].
            label: One material, or the label of each pixel.
        """
        below = self.radiance[window.rows, window.columns]
        below += (radiance - below) * alpha[..., None]
        labels = self.label[window.rows, window.columns]
        labels[...] = np.where(alpha > 0.5, label, labels)


def _span(start: float, end: float) -> tuple[int, int]:
    """Return the first pixel of an interval and the one after its last, within +-1e6."""
    return int(np.floor(np.clip(start, -1e6, 1e6))), int(np.ceil(np.clip(end, -1e6, 1e6)))
