"""Houses of a rendered scene: walls of brick, plaster or concrete, windows, tiled roofs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from haqagen_jax.synthetic.camera import Canvas, Light, Vector
from haqagen_jax.synthetic.ground import Shadow
from haqagen_jax.synthetic.materials import Bands, Material
from haqagen_jax.synthetic.noise import Field, Noise

_STOREY = 2.9
_BAY = 2.7


@dataclass(frozen=True)
class House:
    """A box with its nearest corner region at (`x`, `z`), turned by `angle`; lengths in meters.

    A `pitch` of 0 gives a flat roof; otherwise the ridge stands `pitch` times half the depth above
    the eaves.
    """

    x: float
    z: float
    angle: float
    length: float
    depth: float
    storeys: int
    pitch: float
    wall: Bands
    wall_label: Material
    roof: Bands
    roof_label: Material
    frame: Bands
    glass: Bands
    door: Bands
    offset: float

    @property
    def eaves(self) -> float:
        """Height of the walls."""
        return _STOREY * self.storeys + 0.3

    @property
    def rise(self) -> float:
        """Height of the ridge above the eaves."""
        return self.pitch * self.depth / 2


class _Face(NamedTuple):
    """A flat part of a house: one corner, the two edges from it, and what is on it."""

    corner: Vector
    along: Vector
    up: Vector
    skin: Callable[[Field, Field, float], "_Skin"]


class _Skin(NamedTuple):
    """Appearance of a face: reflectance, label and coverage."""

    albedo: Float[np.ndarray, "h w 4"]
    label: np.ndarray
    cover: Float[np.ndarray, "h w"]


def shadow_of(house: House, light: Light) -> Shadow:
    """Lay the shadow of a house on the ground.

    Args:
        house: The house.
        light: Where the sun stands.

    Returns:
        The hull of its corners and of their shadows.
    """
    sx, _, sz = light.sun_direction / light.sun_height
    base = _corners(house)
    middle = (base[[0, 1]] + base[[3, 2]]) / 2
    away = np.array([sx, sz])
    points = np.concatenate(
        [base, base - away * house.eaves, middle - away * (house.eaves + house.rise)]
    )
    return Shadow(_hull(points), softness=0.1, raggedness=0.0)


def paint_house(canvas: Canvas, house: House, noise: Noise) -> None:
    """Paint the faces of a house that look at the camera.

    Args:
        canvas: Painted in place.
        house: The house; all of it must lie in front of the camera.
        noise: Noise of bricks, stains and tiles.
    """
    for face in _faces(house, noise):
        _paint_face(canvas, face)


def _corners(house: House) -> Float[np.ndarray, "4 2"]:
    """Return the foot of the house, (X, Z), counter-clockwise seen with Z up."""
    along = np.array([np.cos(house.angle), np.sin(house.angle)]) * house.length / 2
    back = np.array([-np.sin(house.angle), np.cos(house.angle)]) * house.depth / 2
    middle = np.array([house.x, house.z])
    return np.stack(
        [
            middle - along - back,
            middle + along - back,
            middle + along + back,
            middle - along + back,
        ]
    )


def _faces(house: House, noise: Noise) -> list[_Face]:
    """List walls, then roof, in an order that paints them right from the front."""
    feet = np.insert(_corners(house), 1, 0.0, axis=1)
    up = np.array([0.0, house.eaves + house.rise, 0.0])
    faces = []
    for i in range(4):
        start, end = feet[i], feet[(i + 1) % 4]
        gable = house.rise if i % 2 else 0.0
        skin = partial(_wall, house, noise, float(np.linalg.norm(end - start)), gable, i)
        faces.append(_Face(start, end - start, up, skin))
    top = np.array([0.0, house.eaves, 0.0])
    skin = partial(_roof, house, noise)
    if house.pitch == 0:
        return faces
    peak = np.array([0.0, house.rise, 0.0])
    for i in (2, 0):
        start, end, far = feet[i] + top, feet[(i + 1) % 4] + top, feet[(i + 3) % 4] + top
        slope = (far - start) / 2 + peak
        along = end - start
        # Roofs overhang: by 0.3 m at the gables and 0.35 m at the eaves.
        side = 0.3 * along / np.linalg.norm(along)
        eave = 0.35 * slope / np.linalg.norm(slope)
        faces.append(_Face(start - side - eave, along + 2 * side, slope + eave, skin))
    return faces


def _paint_face(canvas: Canvas, face: _Face) -> None:
    """Intersect each pixel's ray with a face and paint what it meets there."""
    view = canvas.view
    width, height = float(np.linalg.norm(face.along)), float(np.linalg.norm(face.up))
    eu, ev = face.along / width, face.up / height
    normal = np.cross(ev, eu)
    camera = np.array([0.0, view.eye, 0.0])
    toward = float(normal @ (face.corner - camera))
    if toward > -1e-3:
        return
    quad = face.corner + np.array([0 * eu, face.along, face.along + face.up, face.up])
    window = view.window_around(quad, margin=view.pixel)
    if window is None:
        return
    dy = view.horizon - window.y
    slant = normal[0] * window.x + normal[1] * dy + normal[2]
    depth = toward / np.minimum(slant, -1e-6)
    offset = camera - face.corner
    u = depth * (eu[0] * window.x + eu[1] * dy + eu[2]) + float(offset @ eu)
    v = depth * (ev[0] * window.x + ev[1] * dy + ev[2]) + float(offset @ ev)
    u, v = u.astype(np.float32), v.astype(np.float32)
    pixel = float(view.pixel * quad[:, 2].mean())
    inside = np.minimum(np.minimum(u, width - u), np.minimum(v, height - v))
    skin = face.skin(u, v, pixel)
    alpha = np.clip(inside / pixel + 0.5, 0, 1) * skin.cover
    lit = canvas.light.toward(normal)
    openness = 0.55 + 0.45 * max(0.0, float(normal[1]))
    distance = float(quad[:, 2].mean())
    radiance = canvas.light.shade(skin.albedo, lit, openness=openness, distance=distance)
    canvas.paint(window, radiance, alpha.astype(np.float32), skin.label)


def _wall(
    house: House,
    noise: Noise,
    width: float,
    gable: float,
    side: int,
    u: Field,
    v: Field,
    pixel: float,
) -> _Skin:
    """Dress a wall: its material, windows in every bay of every storey, one door."""
    stain = noise.fractal(u / 3 + house.offset, v / 3 + side, 4, pixel=pixel / 3)
    if house.wall_label is Material.BRICK:
        albedo = _bricks(house.wall, noise, u, v, pixel)
    else:
        albedo = np.broadcast_to(house.wall, (*u.shape, 4)).copy()
    albedo *= (1 + 0.18 * stain - 0.25 * np.exp(-np.clip(v, 0, None) * 2.5))[..., None]
    label = np.full(u.shape, house.wall_label, np.uint8)

    bays = max(1, int(width / _BAY))
    bay, storey = u * bays / width, v / _STOREY
    number = np.floor(bay)
    across = (bay - number - 0.5) * width / bays
    height = (storey - np.floor(storey)) * _STOREY
    below = (storey > 0) & (storey < house.storeys)
    door = (side == 0) & (number == bays // 2) & (storey < 1)
    top = np.where(door, 2.15, 2.35)
    bottom = np.where(door, 0.0, 0.95)
    half = np.where(door, 0.5, 0.55)
    inside = np.minimum(half - np.abs(across), np.minimum(height - bottom, top - height))
    opening = np.clip(inside / pixel + 0.5, 0, 1) * below
    pane = np.clip((np.minimum(inside, np.abs(across)) - 0.07) / pixel + 0.5, 0, 1) * ~door
    glow = 0.5 + 0.5 * noise.cells(number + 17 * side, np.floor(storey) + house.offset)
    reflection = house.glass * (0.5 + 1.5 * glow + 0.8 * (height - 1) / 1.4)[..., None]
    filling = np.where(door[..., None], house.door, house.frame)
    filling = filling + (reflection - filling) * pane[..., None]
    albedo += (filling - albedo) * opening[..., None]
    label = np.where(opening > 0.5, np.where(door, Material.PAINTED_WOOD, Material.GLASS), label)
    return _Skin(albedo.astype(np.float32), label, _gable(house, width, gable, u, v, pixel))


def _gable(house: House, width: float, gable: float, u: Field, v: Field, pixel: float) -> Field:
    """Cut a wall at the eaves, or along the slopes of a gable."""
    top = house.eaves + gable * (1 - np.abs(2 * u / width - 1))
    return np.clip((top - v) / pixel + 0.5, 0, 1)


def _bricks(clay: Bands, noise: Noise, u: Field, v: Field, pixel: float) -> Field:
    """Lay courses of bricks, 25 x 8 cm, half a brick apart, in gray mortar."""
    course = np.floor(v / 0.08)
    along = u / 0.25 + 0.5 * np.mod(course, 2)
    tint = noise.cells(along, course)
    joint = np.minimum(
        0.5 - np.abs(np.mod(along, 1) - 0.5), (0.5 - np.abs(np.mod(v / 0.08, 1) - 0.5)) * 0.4
    )
    visible = float(np.clip(2 - pixel / 0.04, 0, 1))
    mortar = np.clip(1 - joint / 0.05, 0, 1)[..., None] * visible + 0.22 * (1 - visible)
    brick = clay * (1 + 0.28 * visible * tint)[..., None]
    return brick + (np.float32(0.36) - brick) * mortar * 0.8


def _roof(house: House, noise: Noise, u: Field, v: Field, pixel: float) -> _Skin:
    """Cover a slope with rows of overlapping tiles."""
    row = v / 0.33
    along = u / 0.24 + 0.5 * np.mod(np.floor(row), 2)
    visible = float(np.clip(2 - pixel / 0.12, 0, 1))
    tint = noise.cells(along, np.floor(row) + house.offset)
    overlap = np.mod(row, 1)
    moss = noise.fractal(u / 2.5 + house.offset, v / 2.5, 4, pixel=pixel / 2.5)
    tone = 1 + visible * (0.22 * tint + 0.30 * (0.5 - overlap) ** 3 * 8 - 0.05) + 0.25 * moss
    albedo = (house.roof * tone[..., None]).astype(np.float32)
    return _Skin(albedo, np.full(u.shape, house.roof_label, np.uint8), np.ones(u.shape, np.float32))


def _hull(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """Wrap points in their convex hull, counter-clockwise (monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))

    def chain(sequence: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for p in sequence:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], p) <= 0:
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Return twice the signed area of a triangle, positive for a turn to the left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
