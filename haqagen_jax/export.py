"""A model as one StableHLO file, for programs that have jax but not this package.

The file holds the network only, for any number of 256x256 tiles: cutting, blending and making tiles
agree are left to the caller. ONNX is not offered, because no converter to it takes the scan's
loops.
"""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export

from haqagen_jax import api, paper
from haqagen_jax.errors import InputError
from haqagen_jax.nir.network_input import channels
from haqagen_jax.ops.color import srgb_encoded
from haqagen_jax.system.files import prepare_folder, write_bytes

PLATFORMS = ("cpu", "cuda", "tpu")


def export_model(model: str | None, out: str, *, overwrite: bool = False) -> int:
    """Write a model with its weights as one file (an atomic write), and print its size.

    `jax.export.deserialize` reads the file. The `call` of what it returns takes prepared NIR tiles
    (b, 256, 256, c), float32 in [0, 1], and returns sRGB (b, 256, 256, 3); c is 1, or 2 for
    imported ColorMamba weights (NIR and its HSV value).

    Args:
        model: Name or directory of the model, as `haqagen_jax.load` takes it.
        out: Path of the file to write.
        overwrite: Replace a file that exists.

    Returns:
        The exit status, 0.

    Raises:
        InputError: The model does not exist, or the file exists or cannot be written.
    """
    path = Path(out)
    if os.path.isdir(path):
        raise InputError(f"{path}: is a folder; name a file")
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{path}: exists; add --overwrite or choose another name")
    prepare_folder(path.parent)
    colorizer = api.load(model, api.DEFAULT)
    weights = jax.tree.map(jnp.asarray, colorizer.variables)  # become constants of the program
    linear = colorizer.config.data.linear

    def predict(nir: jax.Array) -> jax.Array:
        rgb = colorizer.network.apply(weights, nir).rgb.astype(jnp.float32)
        return srgb_encoded(rgb, linear=linear)

    side, planes = paper.PATCH, channels(colorizer.config.data)
    (batch,) = export.symbolic_shape("b")
    tiles = jax.ShapeDtypeStruct((batch, side, side, planes), jnp.float32)
    data = export.export(jax.jit(predict), platforms=PLATFORMS)(tiles).serialize()
    write_bytes(path, data)
    print(f"{path}: {colorizer.name}, {len(data) / 1e6:.1f} MB, for {', '.join(PLATFORMS)}")
    return 0
