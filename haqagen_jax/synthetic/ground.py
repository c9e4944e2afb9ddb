"""The ground of a rendered scene: fields, meadow, furrows, a road, a lake, shadows.

Lengths in meters, on the plane Y = 0 of `camera`. Everything is flat; slopes are not handled.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from haqagen_jax.synthetic.camera import Canvas, Plane, Window
from haqagen_jax.synthetic.materials import Bands, Material
from haqagen_jax.synthetic.noise import Field, Noise, smoothstep

_FARTHEST = 4000.0  # Where the plane meets the horizon of a finite image.


@dataclass(frozen=True)
class Parcel:
    """One kind of ground: two specimens it wavers between, and its roughness."""

    label: Material
    first: Bands
    second: Bands
    roughness: float
    furrows: float


@dataclass(frozen=True)
class Road:
    """A winding strip: center at X = `start` + `drift` Z + `bend` sin(Z / `period`)."""

    start: float
    drift: float
    bend: float
    period: float
    width: float
    surface: Bands
    label: Material
    marked: bool


@dataclass(frozen=True)
class Lake:
    """Water between the distances `near` and `far`, meters, with wavering shores."""

    near: float
    far: float
    body: Bands
    ripple: float


@dataclass(frozen=True)
class Shadow:
    """A shadow on the ground: a convex outline (X, Z), counter-clockwise, with a soft edge."""

    outline: Float[np.ndarray, "n 2"]
    softness: float
    raggedness: float


@dataclass(frozen=True)
class Land:
    """All that lies on the plane."""

    fields: tuple[Parcel, ...]
    foreground: float
    road: Road | None
    lake: Lake | None
    shadows: tuple[Shadow, ...]


def paint_ground(canvas: Canvas, land: Land, noise: Noise) -> None:
    """Paint everything below the horizon, but for the lake.

    Args:
        canvas: Painted in place.
        land: What lies where.
        noise: Textures.
    """
    view, light = canvas.view, canvas.light
    window = view.window(-view.half_width, view.half_width, view.horizon, 1e6)
    if window is None:
        return
    z = np.clip(view.eye / np.clip(window.y - view.horizon, 1e-6, None), 0, _FARTHEST)
    x = window.x * z
    albedo, label = _fields(land, x, z, view.pixel, view.eye, noise)
    if land.road is not None:
        _pave(albedo, label, land.road, x, z, view.pixel)
    sunlit = np.full(x.shape, light.sun_height, np.float32)
    for shadow in land.shadows:
        _cast(sunlit, canvas, window, shadow, x, z, noise)
    openness = 0.6 + 0.4 * sunlit / light.sun_height
    radiance = light.shade(albedo, sunlit, openness=openness, distance=z)
    canvas.paint(window, radiance, np.ones(x.shape, np.float32), label)


def _fields(
    land: Land, x: Plane, z: Float[np.ndarray, "h 1"], pixel: float, eye: float, noise: Noise
) -> tuple[Float[np.ndarray, "h w 4"], UInt8[np.ndarray, "h w"]]:
    """Compute reflectance and label of the fields: kind, macro mixture, fine texture, furrows."""
    far = np.log(z)
    warp = noise.fractal(x / 60, z / 60 + np.float32(3), 3)
    v = far * np.float32(2.2) + np.float32(0.10) * x / z + np.float32(0.25) * warp
    u = x / (z * np.float32(0.55)) + np.float32(0.8) * v + np.float32(0.3) * warp
    uniform = noise.cells(u, v) * 0.5 + 0.5
    kind = (uniform * len(land.fields)).astype(np.int64) % len(land.fields)
    kind = np.where(z < land.foreground * (1 + 0.4 * warp), 0, kind)

    grain = _grain(x / z, z, eye, pixel, noise)
    blotch = noise.fractal(x / 9, z / 9, 4, pixel=pixel * z * z / eye / 9)
    mixture = np.clip(0.5 + 1.2 * blotch + 0.5 * grain, 0, 1)[..., None]
    first = np.stack([field.first for field in land.fields])[kind]
    second = np.stack([field.second for field in land.fields])[kind]
    albedo = first + (second - first) * mixture
    roughness = np.array([f.roughness for f in land.fields], np.float32)[kind]
    furrows = np.array([f.furrows for f in land.fields], np.float32)[kind]
    rows = np.sin((x + 0.25 * z) * 2.4 + 1.5 * warp) * np.clip(1.5 - 6 * pixel * z, 0, 1)
    albedo *= np.clip(1 + roughness * (grain + 0.4 * blotch) + furrows * rows, 0.15, 1.7)[..., None]
    return albedo, np.array([f.label for f in land.fields], np.uint8)[kind]


def _grain(x: Plane, z: Float[np.ndarray, "h 1"], eye: float, pixel: float, noise: Noise) -> Plane:
    """Compute the texture of blades and clods, which stand upright on the ground.

    It is laid on the screen, octave by octave, and each octave shows only where perspective makes
    it finer than half a meter; laid on the ground it would be drawn out by the slant of the view.
    """
    y = eye / z
    total = np.zeros_like(x)
    frequency = 6.0
    while frequency * pixel < 0.6:
        meters = z / frequency
        strength = smoothstep(0.5, 0.1, meters)
        if strength.max() > 0:
            total += noise.smooth(x * frequency + 0.21 * y, y * (0.6 * frequency)) * strength
        frequency *= 1.9
    return np.clip(0.4 * total, -1, 1)


def _pave(
    albedo: Float[np.ndarray, "h w 4"],
    label: UInt8[np.ndarray, "h w"],
    road: Road,
    x: Plane,
    z: Float[np.ndarray, "h 1"],
    pixel: float,
) -> None:
    """Lay a road over the fields, in place."""
    center = road.start + road.drift * z + road.bend * np.sin(z / road.period)
    beside = np.abs(x - center)
    edge = pixel * z
    cover = np.clip((road.width / 2 - beside) / edge + 0.5, 0, 1)[..., None]
    wear = 1 + 0.15 * np.cos(beside * (9.5 / road.width))[..., None]
    albedo += (road.surface * wear - albedo) * cover
    label[cover[..., 0] > 0.5] = road.label
    if road.marked:
        dash = np.clip((0.09 - beside) / edge + 0.5, 0, 1) * (np.mod(z, 6.0) < 2.4)
        side = np.clip((0.07 - np.abs(beside - road.width * 0.44)) / edge + 0.5, 0, 1)
        albedo += (np.float32(0.6) - albedo) * np.maximum(dash, side)[..., None]


def _cast(
    sunlit: Plane,
    canvas: Canvas,
    window: Window,
    shadow: Shadow,
    x: Plane,
    z: Float[np.ndarray, "h 1"],
    noise: Noise,
) -> None:
    """Darken the part of the ground inside a shadow's outline, in place."""
    near = np.clip(shadow.outline[:, 1], canvas.view.eye, None)
    points = np.stack([shadow.outline[:, 0], np.zeros_like(near), near], axis=1)
    box = canvas.view.window_around(points, margin=2 * canvas.view.pixel)
    if box is None or box.rows.stop <= window.rows.start:
        return
    rows = slice(max(box.rows.start - window.rows.start, 0), box.rows.stop - window.rows.start)
    px, pz = x[rows, box.columns], z[rows]
    inside = np.full(px.shape, np.inf, np.float32)
    following = np.roll(shadow.outline, -1, axis=0)
    for (x0, z0), (x1, z1) in zip(shadow.outline, following, strict=True):
        length = max(float(np.hypot(x1 - x0, z1 - z0)), 1e-6)
        distance = ((x1 - x0) * (pz - z0) - (z1 - z0) * (px - x0)) / length
        np.minimum(inside, distance, out=inside)
    if shadow.raggedness > 0:
        inside += shadow.raggedness * noise.fractal(px * 0.8, pz * 0.8, 3)
    softness = shadow.softness + canvas.view.pixel * pz
    sunlit[rows, box.columns] *= 1 - 0.88 * np.clip(inside / softness + 0.5, 0, 1)


def paint_lake(canvas: Canvas, lake: Lake, noise: Noise) -> None:
    """Lay water over the ground: what stands behind it, mirrored and rippled, over a dark body.

    Args:
        canvas: Painted in place; what the lake mirrors must be painted before.
        lake: Where it lies.
        noise: Shores and ripples.
    """
    view, light = canvas.view, canvas.light
    window = view.window(-view.half_width, view.half_width, view.horizon, 1e6)
    if window is None:
        return
    down = np.clip(window.y - view.horizon, 1e-6, None)
    z = np.clip(view.eye / down, 0, _FARTHEST)
    shore = 1 + 0.35 * noise.fractal(window.x * 3 + 11, np.full((1, 1), 0.3, np.float32), 6)
    bank = view.eye / lake.near * shore - down
    inside = np.clip(np.minimum(bank, down - view.eye / lake.far * shore) / view.pixel + 0.5, 0, 1)
    if not inside.any():
        return
    first = view.eye / lake.far * shore
    ripples = _ripples(window.x * z, z, view.pixel * z, view.eye, noise) * lake.ripple
    row, column = _mirror(canvas, window, first, down, ripples)
    mirrored = canvas.radiance[row, column]
    # Schlick's form of Fresnel's law for water (2 % at normal incidence), a little roughened.
    grazing = 1 - down / np.sqrt(1 + down * down + window.x**2)
    mirroring = (0.02 + 0.70 * np.clip(grazing, 0, 1) ** 5)[..., None]
    radiance = light.shade(np.broadcast_to(lake.body, mirrored.shape), light.sun_height, distance=z)
    radiance += (mirrored - radiance) * mirroring
    radiance *= (1 + 0.6 * np.clip(ripples, -0.6, 0.6))[..., None]
    canvas.paint(window, radiance, inside.astype(np.float32), Material.WATER)


def _ripples(x: Plane, z: Field, footprint: Field, eye: float, noise: Noise) -> Plane:
    """Compute the slope of the waves: long crests across the view, fading with distance."""
    fine = footprint * z / eye
    waves = noise.fractal(x * 0.35, z * 1.6, 5, pixel=fine * 0.8, gain=0.7)
    calm = smoothstep(-0.2, 0.3, noise.fractal(x / 40, z / 25, 2))
    return waves * (0.35 + 0.65 * calm)


def _mirror(
    canvas: Canvas, window: Window, first: Field, down: Field, ripples: Plane
) -> tuple[np.ndarray, np.ndarray]:
    """Find the pixel whose reflection each pixel of the water shows."""
    view = canvas.view
    y = view.horizon + 2 * first - down + ripples * (0.02 + 0.25 * down)
    row = np.floor((y - 0.5) / view.pixel + view.height / 2)
    last_dry = np.ceil((view.horizon + first - 0.5) / view.pixel + view.height / 2) - 1
    row = np.clip(row, 0, np.clip(last_dry, 0, view.height - 1)).astype(np.int64)
    column = np.arange(window.columns.start, window.columns.stop)[None]
    sway = np.rint(ripples * 0.01 / view.pixel).astype(np.int64)
    return row, np.clip(column + sway, 0, view.width - 1)
