"""Geometry and augmentation of one registered pair; pure numpy, the caller passes the generator.

A crop of a pair is one array (h, w, c): NIR (and its value, for networks that take it), R, G, B.
What moves one image therefore moves the other. Values are float32 in [0, 1]. Not handled: batches.
"""

import numpy as np
from jaxtyping import Float, Shaped

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.images.resize import Window

SHORTEST = 0.55  # of an image's short side: the smallest square that `random_square` chooses


def pad_to(image: Shaped[np.ndarray, "h w c"], side: int) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Grow an image by reflection, centered, until both sides reach a length.

    Args:
        image: The image, of any values.
        side: The least height and width of the result.

    Returns:
        (max(h, side), max(w, side), c); the image itself when it is large enough already.
    """
    short = [max(0, side - length) for length in image.shape[:2]]
    if not any(short):
        return image
    return np.pad(image, [*((s // 2, s - s // 2) for s in short), (0, 0)], mode="reflect")


def random_crop(
    size: tuple[int, int], rng: np.random.Generator, *, crop: int, precrop: int
) -> Window:
    """Choose a random square; where a side exceeds `precrop`, within a random cut of that length.

    Args:
        size: (h, w) of the image, each at least `crop`.
        rng: Generator; drawn from four times, whatever the size.
        crop: Side of the square, in pixels.
        precrop: Side of the first cut, at least `crop`; 0 for none.

    Returns:
        The square.

    Reference: Sec. 3.3, 384 and then 256 for high-resolution sets.
    """
    top, left = (_start(length, rng, crop, precrop or length) for length in size)
    return Window(top, left, crop, crop)


def _start(length: int, rng: np.random.Generator, crop: int, precrop: int) -> int:
    first = min(length, precrop)
    return int(rng.integers(length - first + 1)) + int(rng.integers(first - crop + 1))


def central_crop(size: tuple[int, int], *, crop: int) -> Window:
    """Choose the central square of an image.

    Args:
        size: (h, w) of the image, each at least `crop`.
        crop: Side of the square, in pixels.

    Returns:
        The central square.
    """
    return Window((size[0] - crop) // 2, (size[1] - crop) // 2, crop, crop)


def cut_reflected(
    image: Shaped[np.ndarray, "h w c"], window: Window
) -> Shaped[np.ndarray, "h2 w2 c"]:
    """Cut a part out of an image that is continued by reflection beyond its borders.

    Args:
        image: The image, of any values.
        window: Part to cut, in pixels of the image; it may reach beyond them.

    Returns:
        (window.height, window.width, c).
    """
    padding, starts = [], []
    for start, count, length in zip(window[:2], window[2:], image.shape[:2], strict=True):
        before = max(0, -start)
        padding.append((before, max(0, start + count - length)))
        starts.append(start + before)
    if any(map(any, padding)):
        image = np.pad(image, [*padding, (0, 0)], mode="reflect")
    top, left = starts
    return image[top : top + window.height, left : left + window.width]


def random_square(size: tuple[int, int], rng: np.random.Generator) -> Window:
    """Choose a random square between a good half of the short side and the whole long side.

    Args:
        size: (h, w) of the image.
        rng: Generator; drawn from three times.

    Returns:
        The square; where it is longer than a side, it reaches beyond both of its ends.

    Reference: ours; a network that sees whole images at inference has to learn from them.
    """
    short, long = min(size), max(size)
    shortest = max(1, round(SHORTEST * short))
    side = int(rng.integers(shortest, long + 1))
    top, left = (
        int(rng.integers(min(0, length - side), max(0, length - side) + 1)) for length in size
    )
    return Window(top, left, side, side)


def whole_square(size: tuple[int, int]) -> Window:
    """Choose the square that holds a whole image in its middle.

    Args:
        size: (h, w) of the image.

    Returns:
        A square of the long side, which reaches beyond the short one.
    """
    side = max(size)
    return Window((size[0] - side) // 2, (size[1] - side) // 2, side, side)


def augment(
    image: Float[np.ndarray, "n n c"], rng: np.random.Generator, data: DataConfig
) -> tuple[Float[np.ndarray, "n n planes"], Float[np.ndarray, "n n 3"]]:
    """Turn a crop of a pair, vary the saturation of its colors and the tones of its NIR.

    Args:
        image: NIR (and its value, for networks that take it), R, G, B in [0, 1], a square.
        rng: Generator; drawn from by the orientation, the saturation and the jitter in this order.
        data: Strengths and probabilities.

    Returns:
        NIR with all of its planes, and sRGB, in [0, 1].

    Reference: Sec. 4.1, augmentation; the jitter of the NIR is ours.
    """
    image = random_orientation(image, rng, flip=data.flip, rotate=data.rotate)
    factor = 1.0 + data.saturation * float(rng.uniform(-1.0, 1.0))
    rgb = scale_saturation(image[..., -3:], factor)
    nir = jitter(image[..., :-3], rng, gain=data.gain, gamma=data.gamma, noise=data.noise)
    return nir, rgb


def jitter(
    nir: Float[np.ndarray, "h w c"],
    rng: np.random.Generator,
    *,
    gain: float,
    gamma: float,
    noise: float,
) -> Float[np.ndarray, "h w c"]:
    """Change the tones of a NIR image as another camera or exposure would.

    Args:
        nir: NIR image in [0, 1].
        rng: Generator; drawn from three times, and once for each value where there is noise.
        gain: Brightness factors are drawn from 1 - gain to 1 + gain.
        gamma: Exponents are drawn from 1 / (1 + gamma) to 1 + gamma, evenly in their logarithm.
        noise: Largest standard deviation of Gaussian noise, in [0, 1].

    Returns:
        float32 in [0, 1]; the image itself where all three are 0.
    """
    if not (gain or gamma or noise):
        return nir
    factor = 1 + gain * rng.uniform(-1, 1)
    exponent = (1 + gamma) ** rng.uniform(-1, 1)
    deviation = noise * rng.uniform()
    changed = factor * nir**exponent
    if noise:
        changed = changed + deviation * rng.standard_normal(nir.shape, np.float32)
    return np.clip(changed, 0.0, 1.0).astype(np.float32)


def random_orientation(
    image: Shaped[np.ndarray, "n n c"], rng: np.random.Generator, *, flip: float, rotate: bool
) -> Shaped[np.ndarray, "n n c"]:
    """Mirror left to right with a probability, then turn by a random multiple of 90 degrees.

    Args:
        image: A square, so that its shape survives.
        rng: Generator; drawn from twice.
        flip: Probability of mirroring, in [0, 1].
        rotate: Whether to turn.

    Returns:
        A view of the image.

    Reference: Sec. 4.1, augmentation.
    """
    mirrored = rng.random() < flip
    turns = int(rng.integers(4))
    if mirrored:
        image = image[:, ::-1]
    return np.rot90(image, turns) if rotate else image


def scale_saturation(rgb: Float[np.ndarray, "h w 3"], factor: float) -> Float[np.ndarray, "h w 3"]:
    """Multiply the HSV saturation of an image, clipped at 1; hue and value stay.

    Args:
        rgb: sRGB in [0, 1].
        factor: 0 or more; 1 changes nothing.

    Returns:
        float32 in [0, 1].

    Reference: Sec. 4.1, saturation jitter of the reference.
    """
    # With v = max(rgb) and s = (v - min) / v, a channel is v - (v - channel): its distance from v
    # is proportional to s. So no detour through hue is needed.
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    value = np.maximum(np.maximum(r, g), b)
    chroma = value - np.minimum(np.minimum(r, g), b)
    # s * factor <= 1 means factor <= value / chroma. Gray has no chroma, and any factor will do.
    limit = np.divide(value, chroma, out=np.full_like(value, np.inf), where=chroma > 0)
    scale = np.minimum(np.float32(factor), limit)
    return np.maximum(value[..., None] - (value[..., None] - rgb) * scale[..., None], 0.0)


def srgb_to_linear(rgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Decode sRGB to linear light.

    Args:
        rgb: sRGB in [0, 1].

    Returns:
        float32 in [0, 1].

    Reference: IEC 61966-2-1.
    """
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
