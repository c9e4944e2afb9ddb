"""LPIPS: the distance of images by the features of a network."""

from collections.abc import Mapping
from typing import Any

from jax import Array
from jaxtyping import Float

from haqagen_jax.models.lpips import BACKBONES, Lpips
from haqagen_jax.ops.checks import Images, Like, paired


def lpips(
    variables: Mapping[str, Any], prediction: Images, target: Like, *, backbone: str = "alex"
) -> Float[Array, " b"]:
    """Return the LPIPS distance of images, version 0.1.

    Args:
        variables: Variables of `models.lpips.Lpips`, as from
            `haqagen_jax.weights.lpips_variables(backbone)`.
        prediction: sRGB-encoded values in [0, 1], at least 31x31 pixels for alex, 16x16 for vgg.
        target: The same shape.
        backbone: "alex", as most papers report, or "vgg".

    Returns:
        Distances (b,); 0 for equal images.

    Raises:
        ValueError: The shapes differ, there are not three channels, the images are too small, or
            `backbone` is unknown.

    Reference: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
        Metric" (2018).

    Examples:
        >>> import jax
        >>> image = jax.numpy.zeros((1, 32, 32, 3))
        >>> # Random weights; `haqagen_jax.weights.lpips_variables` reads the published ones.
        >>> variables = Lpips("alex").init(jax.random.key(0), image, image)
        >>> lpips(variables, image, image).tolist()
        [0.0]
    """
    if backbone not in BACKBONES:
        raise ValueError(f"backbone = {backbone!r}: must be one of {', '.join(BACKBONES)}")
    prediction, target = paired(prediction, target)
    _, h, w, channels = prediction.shape
    if channels != 3:
        raise ValueError(f"images have {channels} channels; LPIPS needs 3")
    smallest = BACKBONES[backbone].smallest
    if min(h, w) < smallest:
        raise ValueError(
            f"images are {h}x{w} pixels; LPIPS over {backbone} needs at least {smallest}x{smallest}"
        )
    return Lpips(backbone).apply(variables, prediction, target)  # pyright: ignore
