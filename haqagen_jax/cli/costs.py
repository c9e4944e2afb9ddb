"""What the networks of a configuration cost: the columns of `haqagen info`."""

import jax

from haqagen_jax import cost
from haqagen_jax.config.schema import Config
from haqagen_jax.models.factory import count_parameters
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg
from haqagen_jax.train.state import create_state

COLUMNS = (
    "G_A",
    "G_B",
    "critics",
    "f",
    "g",
    "GMAC",
    "file",
    "weights",
    "training",
    "tile",
)
LEGEND = """
Parameters of the generator's branches G_A (color) and G_B (HSV), the two critics, the texture
autoencoder f, and the VGG of the loss up to relu4_2 (g).
GMAC      1e9 multiply-accumulates of the generator on one 256 x 256 tile
file      MB of the generator's float16 weights on disk
weights   MB of the same in memory, float32
training  MB of both networks, both optimizers and the moving average
tile      MB that a tile's forward pass keeps for the backward pass"""


def row(config: Config) -> list[str]:
    """Compute one row of the table, from shapes alone.

    Args:
        config: Configuration of the networks.

    Returns:
        A formatted number for each of `COLUMNS`.
    """
    state = jax.eval_shape(lambda key: create_state(key, config, steps=1), jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, 256, 256, 3), "float32")
    frozen = [
        jax.eval_shape(network.init, jax.random.key(0), image)["params"]
        for network in (TextureAutoencoder(), Vgg(config.loss.vgg_network))
    ]
    params = state.generator["params"]
    networks = (params["rgb_branch"], params["hsv_branch"], state.critic["params"], *frozen)
    megabytes = (
        count_parameters(params) * 2,
        cost.nbytes(state.generator),
        cost.nbytes(state),
        cost.tile_residuals(config.model),
    )
    return [
        *(f"{count_parameters(network):,}" for network in networks),
        f"{cost.tile_multiplications(config.model) / 1e9:.1f}",
        *(f"{size / 1e6:,.1f}" for size in megabytes),
    ]
