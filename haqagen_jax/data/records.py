"""Read pairs and prepare them; the prepared ones stay in memory while there is room.

A pair is one array (h, w, 4): NIR, then sRGB-encoded R, G, B, each in [0, 1] as float32, or over
65,535 as uint16 where it is kept. Not handled: images larger than memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt16

from haqagen_jax.config import DataConfig
from haqagen_jax.data import transforms
from haqagen_jax.data.pair import Pair, decode_pair
from haqagen_jax.errors import located
from haqagen_jax.preprocess import prepare_nir, to_unit
from haqagen_jax.scaling import clamp_size, resize

CACHE_BYTES = 1 << 30  # of prepared pairs, in each process that reads
FULL = np.float32(65_535)


def load(pair: Pair, data: DataConfig) -> Float[np.ndarray, "h w 4"]:
    """Read a pair and bring both images to [0, 1], at their own size.

    Args:
        pair: two images of equal size.
        data: its preprocessing applies; the RGB stays sRGB-encoded.

    Returns:
        float32 (h, w, 4): NIR, R, G, B.

    Raises:
        InputError: a file cannot be decoded, has other channels, holds no picture, or the two
            differ in size.

    Reference: Sec. 4.1, preprocessing; before any crop, over the whole image.
    """
    encoded = pair.encoded()
    nir, rgb = decode_pair(encoded)
    with located(encoded.nir_place):
        prepared = prepare_nir(nir, equalize=data.equalize, percentiles=data.nir_percentiles)
    if data.rgb_minmax:
        rgb = to_unit(rgb)
    return np.concatenate([prepared, rgb], axis=-1)


class Prepared:
    """Random access to prepared pairs (h, w, 4) in uint16; the latest used stay in memory."""

    def __init__(self, pairs: Sequence[Pair], data: DataConfig):
        self._pairs = list(pairs)
        self._data = data
        self._forget()

    def _forget(self) -> None:
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_pairs": self._pairs, "_data": self._data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: Any) -> UInt16[np.ndarray, "h w 4"]:
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        image = self._prepare(self._pairs[index])
        with self._lock:
            if index not in self._cache:
                self._cache[index] = image
                self._bytes += image.nbytes
            while self._bytes > CACHE_BYTES:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def _prepare(self, pair: Pair) -> np.ndarray:
        image = load(pair, self._data)
        image = resize(image, clamp_size(image.shape[:2], self._data.clamp))
        image = transforms.pad_to(image, self._data.crop)
        return np.rint(image * FULL).astype(np.uint16)
