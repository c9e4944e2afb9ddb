"""What lies behind the ground of a rendered scene: sky, clouds, mountains, woods on the horizon."""

from dataclasses import dataclass

import numpy as np

from haqagen_jax.synthetic.camera import Canvas, Light, Window
from haqagen_jax.synthetic.materials import Bands, Material, mean_reflectance
from haqagen_jax.synthetic.noise import Field, Noise, smoothstep


@dataclass(frozen=True)
class Sky:
    """A sky: the radiance of its zenith, and how much of it is cloud."""

    zenith: Bands
    cover: float
    puffiness: float


def paint_sky(canvas: Canvas, sky: Sky, noise: Noise) -> None:
    """Fill the canvas with blue sky, paler towards the horizon, and clouds in perspective.

    Args:
        canvas: Painted in place, wholly.
        sky: Its colors and clouds.
        noise: Shapes of the clouds.
    """
    view, light = canvas.view, canvas.light
    window = view.whole()
    height = np.clip(view.horizon - window.y, 0, None)
    paleness = np.exp(-height * 4.5)[..., None]
    blue = np.broadcast_to(sky.zenith + (light.haze - sky.zenith) * paleness, canvas.radiance.shape)
    canvas.paint(window, blue, np.ones(blue.shape[:2], np.float32), Material.SKY)
    above = view.window(-view.half_width, view.half_width, -1e6, view.horizon)
    if above is None or sky.cover <= 0:
        return
    alpha, brightness = _clouds(above, view.horizon, view.pixel, sky, light, noise)
    white = mean_reflectance(Material.CLOUD)
    # The shaded base of a cloud is lit by the sky, so it is bluer and darker in the near infrared.
    shadow = white * (0.30 + 0.34 * light.sky / light.sky.max())
    cloud = shadow + (white * 0.86 - shadow) * brightness[..., None]
    distant = np.exp(-np.clip(view.horizon - above.y, 0, None) * 14)[..., None]
    canvas.paint(above, cloud + (light.haze - cloud) * distant * 0.7, alpha, Material.CLOUD)


def _clouds(
    window: Window, horizon: float, pixel: float, sky: Sky, light: Light, noise: Noise
) -> tuple[Field, Field]:
    """Compute the opacity and the brightness of the clouds in a window."""
    depth = 1 / (np.clip(horizon - window.y, 0, None) + 0.10)
    u, v = window.x * depth * np.float32(0.55), depth * np.float32(0.75) + 0 * window.x
    footprint = pixel * depth * 0.55
    density = noise.fractal(u, v, 7, pixel=footprint, gain=0.52)
    # The same clouds seen from a little nearer the sun: where they are thinner, light gets in.
    aside = np.float32(0.10 * np.sign(light.sun_direction[0]))
    sunward = noise.fractal(u + aside, v + np.float32(0.10), 4, pixel=footprint, gain=0.5)
    threshold = 0.42 - 0.75 * sky.cover
    alpha = smoothstep(threshold, threshold + 0.30 - 0.2 * sky.puffiness, density)
    thickness = np.clip((density - threshold) * 2.2, 0, 1)
    brightness = np.clip(0.95 - 0.45 * thickness + 1.1 * (density - sunward), 0, 1)
    return alpha, brightness


@dataclass(frozen=True)
class Ridge:
    """A range of mountains, a hill or a wood seen from the side.

    Heights are in view heights above the horizon. Below `tree_line` it is covered with `cover`,
    above with rock, above `snow_line` with snow.
    """

    height: float
    roughness: float
    wavelength: float
    distance: float
    tree_line: float
    snow_line: float
    cover: Bands
    label: Material
    rock: Bands


def paint_ridge(canvas: Canvas, ridge: Ridge, noise: Noise, offset: float) -> None:
    """Paint a silhouette that stands on the horizon, shaded and hazy.

    Args:
        canvas: Painted in place.
        ridge: Its form and cover.
        noise: Its outline and relief.
        offset: Tells several ridges of one scene apart.
    """
    view, light = canvas.view, canvas.light
    top = view.horizon - ridge.height * 1.7
    window = view.window(-view.half_width, view.half_width, top, view.horizon + view.pixel)
    if window is None:
        return
    u = window.x / ridge.wavelength + np.float32(offset)
    step = view.pixel / ridge.wavelength
    line = noise.fractal(u, np.full((1, 1), offset, np.float32), 8, pixel=step, gain=0.5)
    crest = noise.fractal(u * 1.7, np.full((1, 1), offset + 50, np.float32), 8, pixel=2 * step)
    outline = ridge.height * (0.8 + ridge.roughness * (line + 0.25 - 0.9 * np.abs(crest)))
    up = view.horizon - window.y
    alpha = np.clip((outline - up) / view.pixel + 0.5, 0, 1) * (up > -view.pixel)
    lit, detail = _relief(window, ridge, noise, light, offset, view.pixel)
    level = up / ridge.height + 0.25 * detail
    bare = smoothstep(ridge.tree_line - 0.08, ridge.tree_line + 0.08, level)[..., None]
    snowy = smoothstep(ridge.snow_line - 0.05, ridge.snow_line + 0.05, level)[..., None]
    clumps = (1 + 0.5 * detail)[..., None]
    albedo = ridge.cover * clumps * (1 - bare) + ridge.rock * (0.6 + 0.4 * clumps) * bare
    albedo += (mean_reflectance(Material.SNOW) - albedo) * snowy
    label = np.where(bare[..., 0] > 0.5, Material.ROCK, ridge.label)
    label = np.where(snowy[..., 0] > 0.5, Material.SNOW, label)
    radiance = light.shade(albedo, lit, openness=0.8, distance=ridge.distance)
    canvas.paint(window, radiance, alpha.astype(np.float32), label)


def _relief(
    window: Window, ridge: Ridge, noise: Noise, light: Light, offset: float, pixel: float
) -> tuple[Field, Field]:
    """Compute the sun's incidence on the folds of a ridge, and its fine texture."""
    scale = np.float32(1.6 / ridge.wavelength)
    step = pixel * float(scale)
    u, v = window.x * scale + np.float32(offset), window.y * scale * np.float32(1.3)
    v = v + np.float32(0.25) * noise.fractal(u, v, 3, pixel=step)
    # Lit from the side: where the ground rises towards the sun it is bright, behind a crest dark.
    shift = np.float32(0.03 * np.sign(light.sun_direction[0]))
    here = np.abs(noise.fractal(u, v, 7, pixel=step, gain=0.55))
    there = np.abs(noise.fractal(u + shift, v + np.float32(0.02), 7, pixel=step, gain=0.55))
    fine = noise.fractal(u * 9, v * 9, 5, pixel=step * 9, gain=0.7)
    lit = light.sun_height * np.clip(0.8 + 9.0 * (there - here) + 0.4 * fine, 0.03, 1.7)
    return lit.astype(np.float32), fine
