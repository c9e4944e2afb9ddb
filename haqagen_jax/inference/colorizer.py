"""Colour NIR images of any size: preprocess, tile, predict, blend, postprocess.

numpy in, numpy out, files nowhere. Images larger than memory are not handled.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, Real
from numpy.typing import ArrayLike, DTypeLike

from haqagen_jax import paper
from haqagen_jax.config import Config
from haqagen_jax.errors import InputError, reason
from haqagen_jax.inference.blend import Blender
from haqagen_jax.inference.consistency import close_plan, join
from haqagen_jax.inference.postprocess import known_depth, output_dtype
from haqagen_jax.inference.predictor import Network, TilePredictor, default_batch
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.levels import quantize
from haqagen_jax.preprocess import prepare_nir
from haqagen_jax.scaling import clamp_size, resize

Progress = Callable[[int, int], None]  # (tiles done, tiles in all)


def check_options(tile: int, stride: int, batch: int | None) -> None:
    """Refuses what `Colorizer` cannot work with.

    Args:
        tile: see `Colorizer`.
        stride: see `Colorizer`.
        batch: see `Colorizer`.

    Raises:
        InputError: another type, or out of range.
    """
    TilePlan(1, 1, tile, stride)
    if batch is None:
        return
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer):
        raise InputError(f"batch = {batch!r}: must be a whole number of tiles, or None")
    if batch < 1:
        raise InputError(f"batch = {batch}: must be at least 1")


class Colorizer:
    """A model that colours arrays.

    Attributes:
        network: the Flax module (or baseline): `network.apply(variables, nir[b, h, w, 1]).rgb`.
        variables: its variables, nested dicts of float32 arrays.
        config: the configuration it was trained with.
        name: what tables and messages call it.
    """

    def __init__(
        self,
        network: Network,
        variables: Mapping[str, Any],
        config: Config,
        *,
        name: str = "model",
        tile: int = paper.PATCH,
        stride: int = paper.STRIDE,
        batch: int | None = None,
        consistent: bool = False,
    ) -> None:
        """Prepares a model; nothing is compiled before the first image.

        Args:
            network: see the class.
            variables: see the class.
            config: its `data` section says how NIR is prepared and what the output means.
            name: see the class.
            tile: side of the sliding window, pixels.
            stride: step of the sliding window, 1 to `tile` pixels.
            batch: tiles predicted at once, at least 1; None: 1 on a CPU, more elsewhere.
            consistent: make the tiles of a picture agree; see
                `haqagen_jax.inference.consistency`.

        Raises:
            InputError: a tile, stride or batch of another type or out of range, or a model that
                does not fit into memory.
        """
        check_options(tile, stride, batch)
        self.network = network
        self.variables = variables
        self.config = config
        self.name = name
        self._tile, self._stride = tile, stride
        self._consistent = consistent
        self._predictor = TilePredictor(
            network,
            variables,
            rgb_transfer=config.data.rgb_transfer,
            batch=default_batch() if batch is None else batch,
        )

    def colorize(
        self,
        nir: ArrayLike,
        *,
        dtype: DTypeLike | None = None,
        progress: Progress | None = None,
    ) -> Real[np.ndarray, "... 3"]:
        """Colours one image, or each image of a batch by itself.

        Args:
            nir: (h, w), (h, w, 1) or (b, h, w, 1); h, w >= 1; integers or floats of any range.
            dtype: of the result, uint8, uint16 or float32. None: uint8 for uint8, uint16 for
                uint16, float32 for floats; other integers count as uint8 if all their values are
                in [0, 255], else as uint16.
            progress: called as (tiles done, tiles in all) after each batch of tiles.

        Returns:
            (h, w, 3) or (b, h, w, 3), sRGB-encoded; floats in [0, 1].

        Raises:
            InputError: another shape or type, NaN or infinity, an image of one value only
                (unless it is a single pixel), or tiles that do not fit into memory.

        Reference: Sec. 3.3, Algorithm 1.
        """
        images = known_depth(_as_array(nir))
        if images.ndim not in (2, 3, 4) or (images.ndim > 2 and images.shape[-1] != 1):
            raise InputError(
                f"nir has shape {images.shape}; give (h, w), (h, w, 1) or (b, h, w, 1)"
            )
        out = output_dtype(images.dtype) if dtype is None else _as_dtype(dtype)
        if images.ndim < 4:
            return quantize(self._colorize(images.reshape(images.shape[:2]), progress), out)
        if len(images) == 0:
            raise InputError(f"nir has shape {images.shape}: no images; give at least one")
        return np.stack([quantize(self._colorize(one[..., 0], progress), out) for one in images])

    def _colorize(
        self, nir: Real[np.ndarray, "h w"], progress: Progress | None
    ) -> Float32[np.ndarray, "h w 3"]:
        data = self.config.data
        image = prepare_nir(nir, equalize=data.equalize, percentiles=data.nir_percentiles)
        plans = self._plans(*nir.shape)
        total, done = sum(len(plan.origins) for plan in plans), 0
        pictures = []
        for plan in plans:
            scaled = resize(image, (plan.height, plan.width))
            blender = Blender(plan)
            for start in range(0, len(plan.origins), self._predictor.batch):
                chosen = plan.origins[start : start + self._predictor.batch]
                tiles = np.stack([plan.extract(scaled, origin) for origin in chosen])
                for origin, rgb in zip(chosen, self._predictor(tiles), strict=True):
                    blender.add(rgb, origin)
                done += len(chosen)
                if progress is not None:
                    progress(done, total)
            pictures.append(blender.result())
        detail, *coarse = pictures
        return join(detail, coarse[0]) if coarse else detail

    def _plans(self, height: int, width: int) -> list[TilePlan]:
        """The passes over a picture: for detail, and for colour where that is another."""
        own = TilePlan(height, width, self._tile, self._stride)
        if not self._consistent or len(own) == 1:
            return [own]
        low, narrow = clamp_size((height, width), self.config.data.clamp)
        close = close_plan(low, narrow, self._tile, self._stride)
        return [close] if (low, narrow) == (height, width) else [own, close]


def _as_array(nir: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(nir)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"nir is not an array ({reason(error)}); give rows of equal length"
        ) from None


def _as_dtype(dtype: DTypeLike) -> np.dtype:
    try:
        out = np.dtype(dtype)
    except (TypeError, ValueError):
        out = dtype
    if out not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"dtype = {out}: must be uint8, uint16 or float32")
    return np.dtype(out)
