"""Trees, shrubs and conifers of a rendered scene, as lit clumps of leaves."""

from dataclasses import dataclass

import numpy as np

from haqagen_jax.synthetic.camera import Canvas, Light, Window
from haqagen_jax.synthetic.ground import Shadow
from haqagen_jax.synthetic.materials import Bands, Material
from haqagen_jax.synthetic.noise import Field, Noise, smoothstep


@dataclass(frozen=True)
class Plant:
    """A plant at (`x`, `z`) on the ground; lengths in meters.

    `trunk` is the bare height below the crown; a shrub has none. `blobs` are the clumps of a broad
    crown: center (x, y, z) and radius relative to half the crown's width and height; a conifer
    has none.
    """

    x: float
    z: float
    height: float
    width: float
    trunk: float
    leaves: Bands
    bark: Bands
    blobs: np.ndarray
    offset: float

    @property
    def conifer(self) -> bool:
        """Whether the crown is a cone."""
        return len(self.blobs) == 0


def shadow_of(plant: Plant, light: Light) -> Shadow:
    """Lay the shadow of a crown on the ground.

    Args:
        plant: The plant.
        light: Where the sun stands.

    Returns:
        An ellipse drawn out away from the sun, with a ragged edge.
    """
    sx, _, sz = light.sun_direction / light.sun_height
    middle = (plant.height + plant.trunk) / 2
    angle = np.linspace(0, 2 * np.pi, 13)[:-1]
    radius = plant.width / 2
    stretch = (plant.height - plant.trunk) / 2 * np.hypot(sx, sz)
    heading = np.arctan2(-sz, -sx)
    along, across = np.cos(angle) * max(stretch, radius), np.sin(angle) * radius
    outline = np.stack(
        [
            plant.x - sx * middle + along * np.cos(heading) - across * np.sin(heading),
            plant.z - sz * middle + along * np.sin(heading) + across * np.cos(heading),
        ],
        axis=1,
    )
    return Shadow(outline, softness=0.25 + 0.05 * plant.height, raggedness=0.12 * plant.width)


def paint_plant(canvas: Canvas, plant: Plant, noise: Noise) -> None:
    """Paint one plant: trunk, then crown.

    Args:
        canvas: Painted in place.
        plant: The plant.
        noise: Noise of leaves and bark.
    """
    view = canvas.view
    half = plant.width * 0.75
    corners = np.array(
        [
            [plant.x - half, -0.02 * plant.height, plant.z],
            [plant.x + half, plant.height * 1.08, plant.z],
        ]
    )
    window = view.window_around(corners)
    if window is None:
        return
    x = window.x * plant.z - plant.x
    y = (view.horizon - window.y) * plant.z + view.eye
    pixel = view.pixel * plant.z
    if plant.trunk > 0:
        _paint_trunk(canvas, window, plant, x, y, pixel, noise)
    _paint_crown(canvas, window, plant, x, y, pixel, noise)


def _paint_trunk(
    canvas: Canvas, window: Window, plant: Plant, x: Field, y: Field, pixel: float, noise: Noise
) -> None:
    radius = plant.height * 0.022 * (1.25 - 0.6 * y / plant.height)
    wobble = 0.4 * radius * noise.smooth(y / 1.5, np.full((1, 1), plant.offset, np.float32))
    across = (x - wobble) / radius
    top = plant.trunk + 0.45 * (plant.height - plant.trunk)
    alpha = np.clip((1 - np.abs(across)) * radius / pixel + 0.5, 0, 1) * (y > 0) * (y < top)
    nx = np.clip(across, -1, 1)
    sun = canvas.light.sun_direction
    below_crown = smoothstep(plant.trunk * 1.02, plant.trunk * 0.75, y)
    lit = np.clip(nx * sun[0] - np.sqrt(1 - nx * nx) * sun[2], 0, 1) * below_crown
    grain = noise.fractal(x * 9 + plant.offset, y * 1.5, 3, pixel=pixel * 9)
    albedo = plant.bark * (1 + 0.7 * grain)[..., None]
    radiance = canvas.light.shade(albedo, lit, openness=0.6, distance=plant.z)
    canvas.paint(window, radiance, alpha.astype(np.float32), Material.BARK)


def _paint_crown(
    canvas: Canvas, window: Window, plant: Plant, x: Field, y: Field, pixel: float, noise: Noise
) -> None:
    light = canvas.light
    size = plant.height - plant.trunk
    v = (y - plant.trunk) / size
    u = x / (plant.width / 2)
    # Leaves keep their size, so a big tree has more of them.
    grain = 0.3 if plant.conifer else 0.4
    seed = np.float32(plant.offset)
    clump = noise.fractal(x / grain + seed, y / grain, 6, pixel=pixel / grain, gain=0.85)
    if plant.conifer:
        depth, nx, ny = _cone(u, v, clump)
    else:
        depth, nx, ny = _blobs(u, 2 * v - 1, clump, plant.blobs)
    alpha = np.clip(depth * 0.5 * plant.width / (pixel + 0.04) + 0.5, 0, 1)
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))
    sun = light.sun_direction
    facing = np.clip(nx * sun[0] + ny * sun[1] - nz * sun[2], 0, 1)
    gaps = np.clip(0.85 + 2.4 * clump, 0.06, 1.6)
    lit = (0.12 + 0.88 * facing) * gaps
    openness = (0.45 + 0.4 * (ny * 0.5 + 0.5)) * np.clip(gaps, 0.3, 1)
    albedo = plant.leaves * (1 + 0.25 * clump)[..., None]
    radiance = light.shade(albedo, lit, openness=openness, distance=plant.z)
    label = Material.CONIFER if plant.conifer else Material.FOLIAGE
    canvas.paint(window, radiance, alpha.astype(np.float32), label)


def _blobs(u: Field, v: Field, clump: Field, blobs: np.ndarray) -> tuple[Field, Field, Field]:
    """Merge the spheres of a broad crown: signed depth inside it, and the normal's x and y."""
    shape = np.broadcast_shapes(u.shape, v.shape)
    front = np.full(shape, -np.inf, np.float32)
    depth, nx, ny = (np.full(shape, fill, np.float32) for fill in (-1.0, 0.0, 0.0))
    for cx, cy, cz, radius in blobs.astype(np.float32):
        du, dv = (u - cx) / radius, (v - cy) / radius
        room = 1 - np.sqrt(du * du + dv * dv) + np.float32(0.45) * clump
        np.maximum(depth, room * radius, out=depth)
        bulge = cz + radius * room
        nearer = (bulge > front) & (room > 0)
        front = np.where(nearer, bulge, front)
        nx, ny = np.where(nearer, du, nx), np.where(nearer, dv, ny)
    # The whole crown is rounded too, so that clumps low and away from the sun lie in its shade.
    nx, ny = 0.6 * nx + 0.4 * u, 0.6 * ny + 0.4 * v
    return depth, *_unit(nx, ny)


def _cone(u: Field, v: Field, clump: Field) -> tuple[Field, Field, Field]:
    """Shape a conifer: tiers of branches, wider at the foot of each."""
    tier = np.mod(v * 7 + 0.35 * clump, 1)
    reach = np.clip(1 - v, 0, 1) * (0.72 + 0.28 * (1 - tier)) * (1 + 0.45 * clump)
    depth = np.where((v > 0) & (v < 1), reach - np.abs(u), -1)
    nx = u / np.clip(reach, 0.05, None) * 0.85
    ny = 0.55 - 0.7 * tier
    return depth.astype(np.float32), *_unit(nx, ny)


def _unit(nx: Field, ny: Field) -> tuple[Field, Field]:
    """Shorten a normal's screen part to at most 1."""
    length = np.maximum(np.sqrt(nx * nx + ny * ny), 1)
    return nx / length, ny / length
