"""Read and prepare pairs, and keep the latest used in memory while there is room.

Not handled: images larger than memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Real

from haqagen_jax.config.schema import DataConfig
from haqagen_jax.data import transforms
from haqagen_jax.data.pair import Pair, decode_stored
from haqagen_jax.errors import located
from haqagen_jax.images.levels import quantize
from haqagen_jax.images.resize import Window, clamp_size, resize
from haqagen_jax.nir.network_input import fit_input
from haqagen_jax.nir.preparation import Preparation, to_unit

CACHE_BYTES = 1 << 30  # of prepared pairs, in each process that reads
AS_STORED = 2.0  # a pair up to so many times its clamped size is kept as it is stored


class PreparedPair(NamedTuple):
    """A pair of which training cuts its crops.

    Attributes:
        nir: Prepared NIR; floats in [0, 1], or uint16 over its maximum.
        rgb: sRGB-encoded colors; floats in [0, 1], or uint8 or uint16 over their maximum.
        size: (h, w) that training sees; the arrays may be up to `AS_STORED` times as long.
        preparation: What the NIR image has been through.
    """

    nir: Real[np.ndarray, "h w 1"]
    rgb: Real[np.ndarray, "h w 3"]
    size: tuple[int, int]
    preparation: Preparation

    @property
    def nbytes(self) -> int:
        """Memory of both images, in bytes."""
        return self.nir.nbytes + self.rgb.nbytes

    def random_part(self, rng: np.random.Generator, data: DataConfig) -> Float[np.ndarray, "h w c"]:
        """Cut a random crop out of the pair; with `data.whole`, a random square of any size.

        Args:
            rng: Drawn from four times; with `data.whole` three times.
            data: Crop and, for a first cut of large images, precrop.

        Returns:
            See `cut`; (crop, crop, c).

        Reference: Sec. 3.3; squares of any size are ours.
        """
        if data.whole:
            return self.square(transforms.random_square(self.nir.shape[:2], rng), data.crop)
        return self.cut(
            transforms.random_crop(self.size, rng, crop=data.crop, precrop=data.precrop)
        )

    def central_part(self, data: DataConfig) -> Float[np.ndarray, "h w c"]:
        """Cut the central crop out of the pair; with `data.whole`, reduce all of it.

        Args:
            data: Its crop.

        Returns:
            See `cut`; (crop, crop, c).
        """
        if data.whole:
            return self.square(transforms.whole_square(self.nir.shape[:2]), data.crop)
        return self.cut(transforms.central_crop(self.size, crop=data.crop))

    def cut(self, window: Window) -> Float[np.ndarray, "h w c"]:
        """Compute a part of the pair at the size that training sees.

        Args:
            window: Part to compute, in pixels of `size`.

        Returns:
            (window.height, window.width, c): NIR (and its value, for networks that take it), R, G,
            B in [0, 1].
        """
        nir, rgb = (resize(image, self.size, window) for image in (self.nir, self.rgb))
        return np.concatenate([self.preparation.planes(nir), rgb], axis=-1)

    def square(self, window: Window, side: int) -> Float32[np.ndarray, "side side c"]:
        """Compute a part of the pair, reduced or enlarged to a square.

        Args:
            window: A square in pixels of the arrays, which are reflected at their borders.
            side: Side of the result, in pixels.

        Returns:
            (side, side, c); see `cut`.
        """
        nir, rgb = (
            resize(transforms.cut_reflected(image, window), (side, side))
            for image in (self.nir, self.rgb)
        )
        return np.concatenate([self.preparation.planes(nir), rgb], axis=-1)


def load(
    pair: Pair, data: DataConfig
) -> tuple[Real[np.ndarray, "h w 1"], Real[np.ndarray, "h w 3"], Preparation]:
    """Read a pair and prepare both images, at their own size.

    Args:
        pair: A pair of two images of equal size.
        data: Preprocessing; the RGB stays sRGB-encoded.

    Returns:
        NIR (h, w, 1) as float32 in [0, 1], RGB (h, w, 3) as it is stored (with `data.rgb_minmax` as
        float32), and what the NIR image has been through.

    Raises:
        InputError: A file cannot be decoded, has other channels, holds no image, or the two
            differ in size.

    Reference: Sec. 4.1, preprocessing; before any crop, over the whole image.
    """
    encoded = pair.encoded()
    nir, rgb = decode_stored(encoded)
    with located(encoded.nir_source):
        preparation = fit_input(lambda: (nir,), nir.dtype, data)
    colors = to_unit(rgb) if data.rgb_minmax else rgb
    return preparation.apply(nir)[..., None], colors, preparation


def prepare(pair: Pair, data: DataConfig) -> PreparedPair:
    """Read a pair and bring it to a size that crops can be cut from.

    Args:
        pair: A pair of two images of equal size.
        data: Preprocessing, clamp and crop.

    Returns:
        A pair of at least the crop's size, padded by reflection where it was smaller; with
        `data.whole` of its own size.

    Raises:
        InputError: All of `load`.
    """
    nir, rgb, preparation = load(pair, data)
    size = clamp_size(nir.shape[:2], data.clamp)
    # Resizing only what a crop shows takes a fraction of the time that the whole image takes, so an
    # image stays as it is. Photographs of many megapixels would fill the memory: they are reduced.
    large_enough = data.whole or min(size) >= data.crop
    if large_enough and max(nir.shape) <= AS_STORED * max(size):
        return PreparedPair(nir, rgb, size, preparation)
    side = 1 if data.whole else data.crop
    padded = [transforms.pad_to(resize(image, size), side) for image in (nir, rgb)]
    reduced, colors = (quantize(image, np.uint16) for image in padded)
    return PreparedPair(reduced, colors, reduced.shape[:2], preparation)


def central(pair: Pair, data: DataConfig) -> Float32[np.ndarray, "crop crop c"]:
    """Read a pair and cut the central crop out of it; with `data.whole`, reduce all of it.

    Args:
        pair: A pair of two images of equal size.
        data: Preprocessing, clamp and crop.

    Returns:
        float32 (crop, crop, c); see `PreparedPair.cut`.

    Raises:
        InputError: All of `load`.
    """
    return np.ascontiguousarray(prepare(pair, data).central_part(data), np.float32)


@runtime_checkable
class _Sized(Protocol):
    nbytes: Any


T = TypeVar("T", bound=_Sized)


class PairCache(Generic[T]):
    """Random access to what is made of pairs, with a cache of the latest used. Thread-safe.

    The cache holds `CACHE_BYTES`. A copy in another process begins with an empty one.
    """

    def __init__(self, pairs: Sequence[Pair], make: Callable[[Pair], T]) -> None:
        """Remember the pairs; nothing is read yet.

        Args:
            pairs: Pairs, any number.
            make: Computes the value of a pair.
        """
        self._pairs = list(pairs)
        self._make = make
        self._clear()

    def _clear(self) -> None:
        self._cache: OrderedDict[int, T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_pairs": self._pairs, "_make": self._make}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._clear()

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: Any) -> T:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        value = self._make(self._pairs[index])
        with self._lock:
            if index not in self._cache:
                self._cache[index] = value
                self._bytes += value.nbytes
            while self._bytes > CACHE_BYTES:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return value
