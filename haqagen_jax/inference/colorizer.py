"""Color NIR images of any size: preprocess, reduce or tile, predict, blend, postprocess.

Arrays in, arrays out; `haqagen_jax.images` has the sources and sinks for files.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Real
from numpy.typing import ArrayLike, DTypeLike

from haqagen_jax import paper
from haqagen_jax.config.schema import Config
from haqagen_jax.errors import InputError
from haqagen_jax.images import nodata
from haqagen_jax.images.arrays import as_array
from haqagen_jax.images.levels import known_depth_of, values
from haqagen_jax.images.resize import clamp_size
from haqagen_jax.images.stream import (
    ArraySink,
    ArraySource,
    ReducedSource,
    Sink,
    Source,
    ValidBlocks,
)
from haqagen_jax.inference import forward
from haqagen_jax.inference.detail import COEFFICIENTS, AffineSink, GapSink
from haqagen_jax.inference.engine import Engine
from haqagen_jax.inference.forward import Network
from haqagen_jax.inference.job import Job, Progress
from haqagen_jax.inference.predictor import TilePredictor
from haqagen_jax.inference.settings import MOSAIC, Settings
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.constant import ConstantError
from haqagen_jax.nir.network_input import channels, fit_for_coloring
from haqagen_jax.nir.preparation import Blocks, Preparation, require_contrast

_DEFAULT = Settings()


class Colorizer:
    """A model that colors arrays.

    Attributes:
        network: the Flax module (or baseline): `network.apply(variables, nir).rgb`, where nir is
            `haqagen_jax.nir.network_input.prepare`d.
        variables: its variables, nested dicts of float32 arrays.
        config: the configuration it was trained with.
        name: The model's name in tables and messages.
        settings: How images are cut, colored and blended.
    """

    def __init__(
        self,
        network: Network,
        variables: Mapping[str, Any],
        config: Config,
        *,
        name: str = "model",
        settings: Settings = _DEFAULT,
    ) -> None:
        """Place a model on the local devices.

        Args:
            network: See the class; it computes in the precision that was asked for.
            variables: See the class.
            config: Its `data` section says how NIR is prepared and what the output means.
            name: See the class.
            settings: See the class.

        Raises:
            InputError: The model does not fit into memory.
        """
        self.network = network
        self.variables = variables
        self.config = config
        self.name = name
        self.settings = settings
        self._predictor = TilePredictor(
            _forward(network, settings, config),
            variables,
            channels=channels(config.data),
            tile=settings.largest_tile,
            batch=settings.batch,
        )

    def colorize(
        self,
        nir: ArrayLike | Any,
        *,
        dtype: DTypeLike | None = None,
        progress: Progress | None = None,
        strict: bool = False,
        stretch_from: ArrayLike | Any = None,
    ) -> Real[np.ndarray, "... 3"]:
        """Color one image, or each image of a batch by itself.

        Args:
            nir: (h, w), (h, w, 1) or (b, h, w, 1); h, w >= 1; integers or floats of any range, of
                any library that numpy can read, also by `__dlpack__` alone; it is never changed.
                Pixels that a masked array masks, and those that
                are NaN or infinite, hold no data, and take no part in the colors of others.
            dtype: of the result, uint8, uint16 or float32. None: uint8 for uint8, uint16 for
                uint16, float32 for floats; other integers count as uint8 if all their values are
                in [0, 255], else as uint16.
            progress: called as (tiles done, tiles in all) after each tile of an image.
            strict: refuse an image of one value only. Else it becomes one gray: integers over
                their type's maximum, floats in [0, 1] as they are, other floats 0.5.
            stretch_from: another image or batch of the same type, as all frames of a sequence, or
                `nir` itself: its pixels together say what becomes black and white in each image.
                None: each image has a stretch of its own.

        Returns:
            (h, w, 3) or (b, h, w, 3), sRGB-encoded; floats in [0, 1]. Where a pixel holds no data:
            masked, if `nir` is a masked array; NaN, and 0 in integers.

        Raises:
            InputError: what is no array, another shape or type, no pixel with data, tiles that do
                not fit into memory; with `strict`, an image of one value only (unless it is a
                single pixel).

        Reference: Sec. 3.3, Algorithm 1.
        """
        images = as_array(nir)
        depth = known_depth_of(images.dtype, (nodata.valid(images),))
        preparation = None
        if stretch_from is not None:
            preparation = self._fit_array(as_array(stretch_from), images.dtype)
        images = depth.apply(images) if preparation is None else values(images)
        if images.ndim not in (2, 3, 4) or (images.ndim > 2 and images.shape[-1] != 1):
            raise InputError(
                f"nir has shape {images.shape}; give (h, w), (h, w, 1) or (b, h, w, 1)"
            )
        out = depth.colors if dtype is None else _as_dtype(dtype)
        batch = images[..., 0] if images.ndim == 4 else images.reshape(1, *images.shape[:2])
        if len(batch) == 0:
            raise InputError(f"nir has shape {images.shape}: no images; give at least one")
        rgb = np.empty((*batch.shape, 3), out)
        self.run(
            self.job(
                ArraySource(image),
                ArraySink(colors),
                progress,
                strict=strict,
                preparation=preparation,
            )
            for image, colors in zip(batch, rgb, strict=True)
        )
        if isinstance(batch, np.ma.MaskedArray):
            missing = np.ma.getmaskarray(batch)[..., None]
            rgb = np.ma.masked_array(rgb, np.broadcast_to(missing, rgb.shape))
        return rgb if images.ndim == 4 else rgb[0]

    def job(
        self,
        source: Source,
        sink: Sink,
        progress: Progress | None = None,
        *,
        mosaic: bool = False,
        strict: bool = False,
        preparation: Preparation | None = None,
    ) -> Job:
        """Fit the preparation to a whole image and plan its tiles.

        Args:
            source: The NIR image; read two or three times, and up to four times more for floats.
            sink: Receives the colors.
            progress: See `colorize`.
            mosaic: Whether it shows an area of land rather than a scene, and is seen in windows.
                Images of more than `MOSAIC` times the working size always are.
            strict: See `colorize`.
            preparation: One that was fitted to other images of the source's type, see `fit`; None:
                fitted to this one. With one, an image of one value is colored as any other.

        Returns:
            The job, for `run`.

        Raises:
            InputError: No pixels, NaN or infinity, or an image that cannot be read; with `strict`,
                one of one value only (unless it is a single pixel).
        """
        if min(source.height, source.width) < 1:
            raise InputError(
                f"the image is {source.height}x{source.width}: no pixels; give at least one"
            )
        pixels = ValidBlocks(source)
        size, settings = (source.height, source.width), self.settings
        try:
            if preparation is None:
                preparation = self.fit(pixels, source.dtype)
            else:
                require_contrast(pixels, constant=not strict)
        except ConstantError as error:
            if strict:
                raise
            sink = GapSink(source, sink) if pixels.gaps else sink
            whole, unused = TilePlan(*size, max(size), max(size)), Preparation(0.0, 1.0, None)
            return Job(source, unused, whole, sink, progress=progress, constant=error.value)
        if settings.mode == "sliding":
            plan = TilePlan(*size, settings.tile, settings.stride)
            sink = GapSink(source, sink) if pixels.gaps else sink
            return Job(source, preparation, plan, sink, progress=progress)
        if mosaic or max(size) > MOSAIC * settings.size:
            low = clamp_size(size, max(1, round(max(size) * settings.scale)))
            # Two windows along each axis cover a pixel; their outer edges lie outside the image.
            plan = TilePlan(
                *low, settings.size, stride=settings.size // 2, border=settings.size // 16
            )
        else:
            low = clamp_size(size, settings.size)
            # A square, as `fast` was trained on: with the short side rounded up to a quarter of the
            # long one instead, it loses 0.15 dB and 0.008 of SSIM on epfl/val.
            side = min(settings.size, -(-max(low) // paper.PATCH) * paper.PATCH)
            plan = TilePlan(*low, side, side)
        sink = AffineSink(source, preparation, low, sink)
        if low == size:
            return Job(source, preparation, plan, sink, COEFFICIENTS, progress)
        reduced = ReducedSource(source, preparation, low)
        return Job(reduced, preparation.applied, plan, sink, COEFFICIENTS, progress)

    def fit(self, blocks: Blocks, dtype: np.dtype) -> Preparation:
        """Fit the preparation of several images to the pixels of all of them.

        Args:
            blocks: Iterates over all their valid pixels; called up to five times.
            dtype: Of all of them: uint8, uint16 or float.

        Returns:
            What `job` takes.

        Raises:
            InputError: As for one image.
        """
        return fit_for_coloring(blocks, dtype, self.config.data, self.settings.stretch)

    def _fit_array(self, images: np.ndarray, dtype: np.dtype) -> Preparation:
        if images.dtype.newbyteorder("=") != dtype.newbyteorder("="):
            raise InputError(
                f"stretch_from is {images.dtype}, and nir is {dtype}; give both the same type"
            )
        pixels = nodata.valid(nodata.mask(values(images)))
        return self.fit(lambda: (pixels,), pixels.dtype)

    def run(self, jobs: Iterable[Job]) -> None:
        """Color images; each sink is told how its image ended.

        Args:
            jobs: From `job`; the next one is drawn before the last one is done.
        """
        Engine(self._predictor, self.settings.window).run(jobs)


def _forward(network: Network, settings: Settings, config: Config) -> forward.Forward:
    """Choose the function that the devices compute of a tile."""
    planes = channels(config.data)
    colors = forward.colors(network, channels=planes, linear=config.data.linear)
    if settings.ensemble:
        colors = forward.ensemble(colors, multiple=config.model.multiple)
    if settings.mode == "sliding":
        return colors
    if settings.detail == "network":
        return forward.constant_model(colors)
    radius, eps = settings.radius, settings.eps
    return forward.affine_model(colors, channels=planes, radius=radius, eps=eps)


def _as_dtype(dtype: DTypeLike) -> np.dtype:
    try:
        out = np.dtype(dtype)
    except (TypeError, ValueError):
        out = dtype
    if out not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"dtype = {out}: must be uint8, uint16 or float32")
    return np.dtype(out)
