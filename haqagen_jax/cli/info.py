"""`haqagen info`: what the networks of a configuration cost, and what a checkpoint holds."""

from collections.abc import Sequence

import jax
from rich.console import Console
from rich.table import Table

from haqagen_jax import artifact, cost
from haqagen_jax.config.load import load_config
from haqagen_jax.config.schema import Config
from haqagen_jax.models.factory import count_parameters
from haqagen_jax.models.texture import TextureAutoencoder
from haqagen_jax.models.vgg import Vgg
from haqagen_jax.run.checkpoint import read
from haqagen_jax.train.state import create_state

WIDTH = 110
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
Parameters of the generator's branches G_A (colour) and G_B (HSV), the two critics, the texture
autoencoder f, and the VGG of the loss up to relu4_2 (g).
GMAC      1e9 multiply-accumulates of the generator on one 256 x 256 tile
file      MB of the generator's float16 weights on disk
weights   MB of the same in memory, float32
training  MB of both networks, both optimizers and the moving average
tile      MB that a tile's forward pass keeps for the backward pass"""


def info(specs: Sequence[str]) -> None:
    """Prints a table, a row a configuration.

    Args:
        specs: "FILE.py:SIZE" each.

    Raises:
        InputError: a configuration that cannot be loaded.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for spec in specs:
        table.add_row(spec.rpartition(":")[2], *_row(load_config(spec)))
    # A table cut to a narrow terminal would hide digits; lines that wrap do not.
    console = Console(width=max(Console().width, WIDTH))
    console.print(table)
    console.print(LEGEND, highlight=False)


def checkpoint_info(directory: str) -> None:
    """Prints what a run's checkpoint holds.

    Args:
        directory: of the checkpoint, or of the run, for its latest.

    Raises:
        InputError: no checkpoint there, or one that cannot be read.
    """
    step, state, facts = read(directory)
    params = {name: state[name]["params"] for name in ("generator", "critic")}
    best = facts["position"].get("scores") or {}
    rows = {
        "step": f"{step} of {facts['settings']['train.steps']}",
        "written by": f"haqagen-jax {facts['package_version']}",
        "training data": facts["settings"]["training data"],
        "best validation": ", ".join(f"{k} {v:.3f}" for k, v in best.items()) or "none yet",
        "parameters": f"SHA-256 {artifact.fingerprint(params)}",
    }
    for name, value in rows.items():
        print(f"{name:16} {value}")


def _row(config: Config) -> list[str]:
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
