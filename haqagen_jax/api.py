"""`load` a model by name, and `colorize` an image with the bundled one in one call."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Real
from numpy.typing import ArrayLike

from haqagen_jax import artifact
from haqagen_jax.config.model_name import BUNDLED, resolve_model
from haqagen_jax.errors import InputError
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.settings import Settings
from haqagen_jax.models import baselines
from haqagen_jax.system import strict_json

DEFAULT = Settings()
ASSETS = Path(__file__).parent / "assets"
TABLE_FILE = ASSETS / "table.json"


def load(
    name_or_dir: str | Path | None = None,
    settings: Settings = DEFAULT,
    **changes: object,
) -> Colorizer:
    """Load a model.

    Args:
        name_or_dir: "fast" or "small" for a bundled model, "grey" or "table" for a baseline, or a
            model directory. None: "fast".
        settings: How images are cut, colored and blended.
        **changes: Single values of the settings: `load(stride=240, batch=8)`.

    Returns:
        The model, ready to color.

    Raises:
        InputError: No such model, a damaged one, one of another version, or an option out of
            range.
    """
    name = resolve_model(name_or_dir)
    settings = dataclasses.replace(settings, **changes)
    if name not in ("grey", "table"):
        return _load_network(name, settings)
    # A pixel's color depends on that pixel alone, so that reducing the image would gain nothing.
    settings = dataclasses.replace(settings, mode="sliding")
    if name == "grey":
        return Colorizer(baselines.Gray(), {}, baselines.CONFIG, name=name, settings=settings)
    variables = {"params": {"table": load_table()}}
    return Colorizer(baselines.Table(), variables, baselines.CONFIG, name=name, settings=settings)


def colorize(nir: ArrayLike | Any) -> Real[np.ndarray, "... 3"]:
    """Color an image, or each image of a batch, with the model `fast`.

    Args:
        nir: (h, w), (h, w, 1) or (b, h, w, 1); integers or floats of any range.

    Returns:
        sRGB of the same type; see `Colorizer.colorize`.

    Raises:
        InputError: See `Colorizer.colorize`.
    """
    return _bundled().colorize(nir)


@functools.cache
def _bundled() -> Colorizer:
    return load()


def _load_network(name: str, settings: Settings) -> Colorizer:
    from haqagen_jax.models.factory import generator_shapes, make_generator

    bundled = name in BUNDLED
    directory = ASSETS / name if bundled else Path(name)
    # Bundled ones are for the tests to check: it takes a second.
    config, variables = artifact.load(directory, None if bundled else generator_shapes)
    if config.model.architecture == "nir_from_color":
        raise InputError(
            f"{directory}: predicts NIR from color photographs, and colors nothing; give a model "
            "that was trained on what it makes"
        )
    multiple = config.model.multiple
    for side, value in (("tile", settings.tile), ("size", settings.size)):
        if value % multiple:
            raise InputError(
                f"{side} = {value}: must be a multiple of {multiple}, as the network halves it "
                f"{multiple.bit_length() - 1} times"
            )
    network = make_generator(config.model, dtype=settings.precision)
    variables = jax.device_put(variables)
    return Colorizer(network, variables, config, name=directory.name, settings=settings)


def load_table(path: str | Path = TABLE_FILE) -> Float[np.ndarray, "256 3"]:
    """Read a color table.

    Args:
        path: A JSON file whose "table" is what `baselines.fit_table` returned.

    Returns:
        float32 [256, 3], sRGB-encoded in [0, 1].
    """
    return np.asarray(strict_json.loads(Path(path).read_bytes())["table"], np.float32)
