"""Color many pairs through the inference engine, and judge every image once it is complete.

Images of any sizes share batches, which are split over the devices; the colors of an image depend
on neither.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Real

from haqagen_jax.data.pair import Decoded, Pair, decode_cropped
from haqagen_jax.data.valid_area import Cut
from haqagen_jax.errors import InputError, located, reason
from haqagen_jax.images.levels import from_levels
from haqagen_jax.images.resize import resize
from haqagen_jax.images.stream import ArraySink, ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.job import Job
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.network_input import fit_input
from haqagen_jax.system.prefetch import prefetch


class Colored(NamedTuple):
    """A pair and the predicted colors of its NIR image.

    Attributes:
        name: Name of the pair.
        nir: NIR image as stored, of the part where both images hold data.
        prediction: Predicted colors, sRGB-encoded, in [0, 1].
        truth: True colors, likewise.
        cut: What was cropped of the pair, because one of its images holds no data there.
    """

    name: str
    nir: Real[np.ndarray, "h w"]
    prediction: Float32[np.ndarray, "h w 3"]
    truth: Float[np.ndarray, "h w 3"]
    cut: Cut | None


def color_pairs(
    model: Colorizer,
    mode: str,
    pairs: Sequence[Pair],
    judge: Callable[[Colored], None],
    refuse: Callable[[str, Exception], None],
) -> None:
    """Color the NIR image of every pair at its own size.

    Args:
        model: Model of any kind.
        mode: "whole" or "sliding": as `model.colorize` does it, with settings of that mode.
            "resize": the image is resized to one tile whatever its aspect ratio, and its colors are
            resized back; the settings' mode is "sliding".
        pairs: Pairs of any sizes.
        judge: Called with each colored pair, in the order of `pairs`; may raise InputError.
        refuse: Called with the name of each pair that cannot be read, colored or judged, and with
            an error that says where and why.

    Reference: HAQAGen Sec. 3.3 and 4, "fixed-size vs. adaptive sliding-window inference".
    """
    make_job = _single_tile_job if mode == "resize" else _native_size_job

    def jobs() -> Iterator[Job]:
        for pair in pairs:
            try:
                encoded = pair.encoded()
                decoded = decode_cropped(encoded)
                with located(encoded.nir_source):
                    canvas = _Canvas(pair.name, encoded.nir_source, decoded, judge, refuse)
                    job = make_job(model, decoded.nir, canvas)
            except Exception as error:  # whatever it is belongs to this pair
                refuse(pair.name, error)
            else:
                yield job

    with contextlib.closing(prefetch(jobs())) as ahead:
        model.run(ahead)


class _Canvas:
    """Sink that collects the rows of one image and judges it when it is complete."""

    def __init__(
        self,
        name: str,
        path: str,
        decoded: Decoded,
        judge: Callable[[Colored], None],
        refuse: Callable[[str, Exception], None],
    ) -> None:
        self._name, self._path = name, path
        self._nir, self._truth, self._cut = decoded.nir, from_levels(decoded.rgb), decoded.cut
        self._judge, self._refuse = judge, refuse
        self.begin(self._nir.shape)

    def begin(self, size: tuple[int, ...]) -> None:
        """Start an image of this size (h, w), which `close` resizes to that of the pair."""
        self._image = np.empty((*size, 3), np.float32)
        self._rows = ArraySink(self._image)

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        self._rows.write(rows)

    def close(self) -> None:
        """See `Sink`."""
        size = self._nir.shape[0], self._nir.shape[1]
        prediction = resize(self._image, size)
        self._judge(Colored(self._name, self._nir, prediction, self._truth, self._cut))

    def fail(self, error: Exception) -> None:
        """See `Sink`."""
        self._refuse(self._name, InputError(f"{self._path}: {reason(error)}"))


def _native_size_job(model: Colorizer, nir: Real[np.ndarray, "h w"], canvas: _Canvas) -> Job:
    return model.job(ArraySource(nir), canvas, strict=True)  # one gray says nothing of a model


def _single_tile_job(model: Colorizer, nir: Real[np.ndarray, "h w"], canvas: _Canvas) -> Job:
    tile = model.settings.tile
    fitted = fit_input(lambda: (nir,), nir.dtype, model.config.data)
    image = fitted.apply(nir)[..., None]
    canvas.begin((tile, tile))
    source = ArraySource(resize(image, (tile, tile))[..., 0])
    plan = TilePlan(tile, tile, tile, model.settings.stride)
    return Job(source, fitted.applied, plan, canvas)
