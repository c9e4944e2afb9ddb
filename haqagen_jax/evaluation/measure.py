"""The metrics of one colored image."""

from collections.abc import Callable

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from haqagen_jax import metrics, weights
from haqagen_jax.ops.color import srgb_to_linear

Row = dict[str, float]  # column -> value
Perceptual = Callable[..., Array]  # two batches of images -> a distance each

# Each metric is compiled by itself: sizes differ from image to image, so that programs are compiled
# often, and a program of all metrics compiles far slower.
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
    """Compute the metrics of one prediction.

    Args:
        prediction: Predicted colors, sRGB-encoded, in [0, 1].
        target: True colors, likewise.
        perceptual: LPIPS, from `lpips`; None leaves it out.

    Returns:
        PSNR (dB), SSIM and angular error (degrees), each for sRGB and for linear light; the color
        difference CIEDE2000; the prediction's colorfulness; and LPIPS if given.

    Raises:
        ValueError: If the sizes differ, or are too small for SSIM (7 pixels) or LPIPS.

    Reference: HAQAGen Sec. 4.1.
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
    """Compute the colorfulness of one image; see `haqagen_jax.metrics.colorfulness`.

    Args:
        image: Colors, sRGB-encoded, in [0, 1].

    Returns:
        The colorfulness, on the scale of 8-bit values.
    """
    return float(_colorfulness(image[None])[0])


def lpips(backbone: str) -> Perceptual:
    """Load LPIPS from the weights in the cache.

    Args:
        backbone: "alex" or "vgg".

    Returns:
        The distance between two batches of images, one value per image; compiled.

    Raises:
        InputError: If its weights are not in the cache.
    """
    variables = weights.lpips_variables(backbone)
    distance = jax.jit(metrics.lpips, static_argnames="backbone")
    return lambda prediction, target: distance(variables, prediction, target, backbone=backbone)
