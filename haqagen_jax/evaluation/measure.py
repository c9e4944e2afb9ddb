"""What is measured of one colored image."""

from collections.abc import Callable

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax import metrics, weights
from haqagen_jax.ops.color import srgb_to_linear

Row = dict[str, float]  # column -> value
Perceptual = Callable[..., Array]  # two batches of images -> a distance each

# Compiled one by one: sizes differ from image to image, and one large program compiles far slower.
_IN_BOTH: dict[str, Callable[..., Array]] = {
    "PSNR": jax.jit(metrics.psnr),
    "SSIM": jax.jit(metrics.ssim),
    "AE": jax.jit(metrics.angular_error),
}
_ciede2000 = jax.jit(metrics.ciede2000)
_colorfulness = jax.jit(metrics.colorfulness)
_to_linear = jax.jit(srgb_to_linear)


def measure(
    prediction: Float[np.ndarray, "h w 3"],
    target: Float[np.ndarray, "h w 3"],
    perceptual: Perceptual | None = None,
) -> Row:
    """Measures one prediction.

    Args:
        prediction: sRGB-encoded, in [0, 1].
        target: the same shape.
        perceptual: LPIPS, from `lpips`.

    Returns:
        PSNR (dB), SSIM and angular error (degrees), each for sRGB and for linear light; the color
        difference CIEDE2000, the prediction's colorfulness, and LPIPS if asked for.

    Raises:
        ValueError: images of two sizes, or too small for SSIM (7 pixels) or LPIPS.

    Reference: Sec. 4.1.
    """
    srgb = prediction[None], target[None]
    spaces = {"sRGB": srgb, "linear": tuple(_to_linear(image) for image in srgb)}
    row = {
        f"{name} {space}": float(metric(*images)[0])
        for name, metric in _IN_BOTH.items()
        for space, images in spaces.items()
    }
    row["dE2000"] = float(_ciede2000(*srgb)[0])
    if perceptual is not None:
        row["LPIPS"] = float(perceptual(*srgb)[0])
    row["colourfulness"] = colorfulness(prediction)
    return row


def colorfulness(image: Float[np.ndarray, "h w 3"]) -> float:
    """Measures one image, as `haqagen_jax.metrics.colorfulness` does a batch.

    Args:
        image: sRGB-encoded, in [0, 1].
    """
    return float(_colorfulness(image[None])[0])


def lpips(backbone: str) -> Perceptual:
    """Loads LPIPS.

    Args:
        backbone: "alex" or "vgg".

    Returns:
        Its distance, compiled.

    Raises:
        InputError: its weights are not in the cache.
    """
    variables = weights.lpips_variables(backbone)
    distance = jax.jit(metrics.lpips, static_argnames="backbone")
    return lambda prediction, target: distance(variables, prediction, target, backbone=backbone)
