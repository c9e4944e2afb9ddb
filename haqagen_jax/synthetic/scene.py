"""Render a natural scene from a seed: a near-infrared image and its color image.

A scene is painted as linear radiance in four bands (R, G, B, NIR) and taken by two noisy cameras,
both sRGB-encoded (a photographic camera with its infrared filter taken out encodes its near
infrared the same way). Ranges are [0, 1], float32, channels last. The composition depends on the
seed alone; the same seed at another size shows the same view, finer or coarser. Not handled:
slopes, water other than lakes, weather other than haze and clouds.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from haqagen_jax.synthetic import buildings, plants
from haqagen_jax.synthetic.backdrop import paint_ridge, paint_sky
from haqagen_jax.synthetic.camera import Canvas
from haqagen_jax.synthetic.ground import paint_ground, paint_lake
from haqagen_jax.synthetic.noise import Noise
from haqagen_jax.synthetic.plan import Plan, plan_scene

_EXPOSURE = np.array([1.22, 1.22, 1.22, 1.20], np.float32)
# Variance of the sensor's noise: shot noise grows with the light, read noise does not.
_SHOT_NOISE, _READ_NOISE = 1.5e-4, 2e-6


class Scene(NamedTuple):
    """A registered pair, sRGB-encoded, in [0, 1]."""

    nir: Float[np.ndarray, "h w 1"]
    rgb: Float[np.ndarray, "h w 3"]


def render(seed: int, height: int, width: int) -> Scene:
    """Render the scene of a seed.

    Args:
        seed: Which scene; at least 0.
        height: Pixels, at least 1.
        width: Pixels, at least 1.

    Returns:
        Near infrared (height, width, 1) and color (height, width, 3), float32, sRGB-encoded.

    Raises:
        ValueError: If the seed is negative or a side is below 1.
    """
    return _expose(paint(seed, height, width), np.random.default_rng([seed, 2]))


def paint(seed: int, height: int, width: int) -> Canvas:
    """Paint the scene of a seed, as it is before a camera sees it.

    Args:
        seed: Which scene; at least 0.
        height: Pixels, at least 1.
        width: Pixels, at least 1.

    Returns:
        The canvas: `radiance` (height, width, 4), linear, and `label` (height, width), the
        `Material` that each pixel shows.

    Raises:
        ValueError: If the seed is negative or a side is below 1.
    """
    for name, value, least in (("seed", seed, 0), ("height", height, 1), ("width", width, 1)):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    plan = plan_scene(seed, height, width)
    noise = Noise(np.random.default_rng([seed, 1]))
    canvas = Canvas(plan.view, plan.light)
    paint_sky(canvas, plan.sky, noise)
    for number, ridge in enumerate(plan.ridges):
        paint_ridge(canvas, ridge, noise, 10.0 * number + 3)
    shadows = [buildings.shadow_of(house, plan.light) for house in plan.houses]
    shadows += [plants.shadow_of(plant, plan.light) for plant in plan.plants]
    paint_ground(canvas, replace(plan.land, shadows=tuple(shadows)), noise)
    _paint_objects(canvas, plan, noise)
    return canvas


def _paint_objects(canvas: Canvas, plan: Plan, noise: Noise) -> None:
    """Paint from far to near: what stands behind the lake, the lake, what stands before it."""
    pending_lake = plan.land.lake
    for item in sorted([*plan.plants, *plan.houses], key=lambda item: -item.z):
        if pending_lake is not None and item.z < pending_lake.far:
            paint_lake(canvas, pending_lake, noise)
            pending_lake = None
        if isinstance(item, plants.Plant):
            plants.paint_plant(canvas, item, noise)
        else:
            buildings.paint_house(canvas, item, noise)
    if pending_lake is not None:
        paint_lake(canvas, pending_lake, noise)


def _expose(canvas: Canvas, rng: np.random.Generator) -> Scene:
    """Take the canvas with two cameras: exposure, noise, clipping, sRGB encoding."""
    light = canvas.radiance * _EXPOSURE
    sigma = np.sqrt(_SHOT_NOISE * light + np.float32(_READ_NOISE))
    light += sigma * rng.standard_normal(light.shape, dtype=np.float32)
    np.clip(light, 0, 1, out=light)
    encoded = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, np.float32(1 / 2.4)) - 0.055
    )
    encoded = np.clip(encoded, 0, 1).astype(np.float32)
    return Scene(np.ascontiguousarray(encoded[..., 3:]), np.ascontiguousarray(encoded[..., :3]))
