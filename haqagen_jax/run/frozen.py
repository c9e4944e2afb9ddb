"""The frozen networks of the loss, f and g, as functions from images to features."""

from pathlib import Path

from haqagen_jax import weights as cache
from haqagen_jax.config.schema import LossConfig
from haqagen_jax.errors import InputError
from haqagen_jax.interop.torchvision import load_weights
from haqagen_jax.losses.objective import Features, needs_texture, needs_vgg
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg
from haqagen_jax.run.texture import load_texture


def texture_features(loss: LossConfig, directory: Path) -> Features | None:
    """Load the encoder of the frozen texture autoencoder f.

    Args:
        loss: Weights of the run's terms.
        directory: Directory of f, written by `haqagen pretrain-texture`.

    Returns:
        Function from an image to its features; None if no term uses them.

    Raises:
        InputError: f cannot be read; see `load_texture`.
    """
    if not needs_texture(loss):
        return None
    variables = {"params": load_texture(directory)}
    network = TextureAutoencoder()
    return lambda image: network.apply(variables, image, method="encode")  # pyright: ignore


def vgg_features(loss: LossConfig, weights: str | Path | None) -> Features | None:
    """Load the frozen VGG network g.

    Args:
        loss: Weights of the run's terms, and which network g is.
        weights: torchvision's file of that network; None for the one in the cache.

    Returns:
        Function from an image to its features; None if no term uses them.

    Raises:
        InputError: Weights neither given nor in the cache, or that cannot be read; see
            `load_weights`.
    """
    if not needs_vgg(loss):
        return None
    name = loss.vgg_network
    if weights is not None:
        params = load_weights(name, weights)
    elif cache.available(name):
        params = cache.load(name)
    else:
        raise InputError(
            f"loss.delta = {loss.delta}: the term of {name} needs weights; get them with "
            f"{cache.remedy(name)}, give torchvision's file with --vgg {name}.pth, or leave the "
            "term out with --set loss.delta=0"
        )
    variables = {"params": params}
    network = Vgg(name)
    return lambda image: network.apply(variables, image)  # pyright: ignore
