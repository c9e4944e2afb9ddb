"""Color a whole split through the inference engine, and judge every image once it is complete.

Pictures of any sizes share batches, which are split over the devices; what is judged of an image
does not depend on either.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Real

from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.errors import InputError, located, reason
from haqagen_jax.images.resize import resize
from haqagen_jax.images.stream import ArraySink, ArraySource
from haqagen_jax.inference.colorizer import Colorizer
from haqagen_jax.inference.job import Job
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.nir.network_input import fit_input
from haqagen_jax.system.prefetch import prefetch

MODES = ("whole", "sliding", "resize")


class Colored(NamedTuple):
    """A pair and what became of its NIR image.

    Attributes:
        name: of the pair.
        nir: as stored.
        prediction: sRGB-encoded, in [0, 1].
        truth: the same.
    """

    name: str
    nir: Real[np.ndarray, "h w"]
    prediction: Float32[np.ndarray, "h w 3"]
    truth: Float[np.ndarray, "h w 3"]


def color_pairs(
    model: Colorizer,
    mode: str,
    pairs: Sequence[Pair],
    judge: Callable[[Colored], None],
    refuse: Callable[[str, Exception], None],
) -> None:
    """Colors the NIR image of every pair, at the size it has.

    Args:
        model: any.
        mode: "whole", "sliding": as `model.colorize` does it, with settings of that mode.
            "resize": the image is reduced (or enlarged) to one tile whatever its aspect, and its
            colors are brought back to its size; the settings' mode is "sliding".
        pairs: any sizes.
        judge: called with each colored pair, in their order; may raise InputError.
        refuse: called with the name of each pair that cannot be read, colored or judged, and
            with an error that says where and why.

    Reference: HAQAGen Sec. 3.3 and 4, "fixed-size vs. adaptive sliding-window inference".
    """
    make = _resized if mode == "resize" else _as_it_is

    def jobs() -> Iterator[Job]:
        for pair in pairs:
            try:
                encoded = pair.encoded()
                nir, truth = decode_pair(encoded)
                with located(encoded.nir_place):
                    canvas = _Canvas(pair.name, encoded.nir_place, nir, truth, judge, refuse)
                    job = make(model, nir, canvas)
            except Exception as error:  # whatever it is belongs to this pair
                refuse(pair.name, error)
            else:
                yield job

    with contextlib.closing(prefetch(jobs())) as ahead:
        model.run(ahead)


class _Canvas:
    """Collects the rows of one image; a sink."""

    def __init__(
        self,
        name: str,
        place: str,
        nir: Real[np.ndarray, "h w"],
        truth: Float[np.ndarray, "h w 3"],
        judge: Callable[[Colored], None],
        refuse: Callable[[str, Exception], None],
    ) -> None:
        self._name, self._place, self._nir, self._truth = name, place, nir, truth
        self._judge, self._refuse = judge, refuse
        self.begin(nir.shape)

    def begin(self, size: tuple[int, ...]) -> None:
        """Expects an image of this size; it is brought to the pair's in the end."""
        self._image = np.empty((*size, 3), np.float32)
        self._rows = ArraySink(self._image)

    def write(self, rows: Float32[np.ndarray, "rows width 3"]) -> None:
        """See `Sink`."""
        self._rows.write(rows)

    def close(self) -> None:
        """See `Sink`."""
        size = self._nir.shape[0], self._nir.shape[1]
        prediction = resize(self._image, size)
        self._judge(Colored(self._name, self._nir, prediction, self._truth))

    def fail(self, error: Exception) -> None:
        """See `Sink`."""
        self._refuse(self._name, InputError(f"{self._place}: {reason(error)}"))


def _as_it_is(model: Colorizer, nir: Real[np.ndarray, "h w"], canvas: _Canvas) -> Job:
    return model.job(ArraySource(nir), canvas)


def _resized(model: Colorizer, nir: Real[np.ndarray, "h w"], canvas: _Canvas) -> Job:
    tile = model.settings.tile
    found = fit_input(lambda: (nir,), nir.dtype, model.config.data)
    whole = found.apply(nir)[..., None]
    canvas.begin((tile, tile))
    source = ArraySource(resize(whole, (tile, tile))[..., 0])
    plan = TilePlan(tile, tile, tile, model.settings.stride)
    return Job(source, found.applied, plan, canvas)
