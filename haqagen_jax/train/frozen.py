"""The frozen networks of the loss, f and g, as functions from images to features."""

from pathlib import Path

from haqagen_jax.config import LossConfig
from haqagen_jax.errors import InputError
from haqagen_jax.interop.vgg import load_vgg
from haqagen_jax.losses.objective import Features
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg19
from haqagen_jax.train.texture import load_texture


def texture_features(loss: LossConfig, directory: Path) -> Features | None:
    """Loads f's encoder.

    Args:
        loss: the weights of the run.
        directory: of f, from `haqagen pretrain-texture`.

    Returns:
        Image to features; None if no weight asks for them.

    Raises:
        InputError: see `load_texture`.
    """
    if not (loss.feature and (loss.alpha or loss.gamma)):
        return None
    variables = {"params": load_texture(directory)}
    network = TextureAutoencoder()
    return lambda image: network.apply(variables, image, method="encode")  # pyright: ignore


def vgg_features(loss: LossConfig, weights: str | Path | None) -> Features | None:
    """Loads g.

    Args:
        loss: the weights of the run.
        weights: torchvision's VGG-19; needed if the loss compares its features.

    Returns:
        Image to features; None if no weight asks for them.

    Raises:
        InputError: no weights given; and see `load_vgg`.
    """
    if not (loss.feature and loss.delta):
        return None
    if weights is None:
        raise InputError(
            f"loss.delta = {loss.delta}: the VGG-19 term needs weights; give torchvision's "
            "file with --vgg vgg19.pth, or leave the term out with --set loss.delta=0"
        )
    variables = {"params": load_vgg(weights)}
    network = Vgg19()
    return lambda image: network.apply(variables, image)  # pyright: ignore
