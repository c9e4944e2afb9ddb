"""Arrays of other libraries as numpy's, masks included."""

from typing import Any, cast

import numpy as np

from haqagen_jax.errors import InputError, reason


def as_array(nir: Any) -> np.ndarray:
    """Bring what another library holds to a numpy array, without a copy where that is possible.

    Args:
        nir: An array, a masked array, a list of either, an image of Pillow, or an object that numpy
            can read by `__array__`, a buffer, or `__dlpack__`.

    Returns:
        Of any shape and type; a masked array for a masked one, and for lists of such.

    Raises:
        InputError: It is none of them, lies in a device's memory, or has a palette.
    """
    if isinstance(nir, np.ma.MaskedArray):
        return nir
    try:
        if getattr(nir, "mode", None) in ("P", "PA") and hasattr(nir, "getpalette"):
            raise InputError("nir is an image with a palette; give image.convert('L')")
        if isinstance(nir, list | tuple) and any(isinstance(n, np.ma.MaskedArray) for n in nir):
            return np.ma.stack([np.ma.asarray(n) for n in nir])
        only_dlpack = not any(
            hasattr(nir, name)
            for name in ("__array__", "__array_interface__", "__array_struct__", "__len__")
        )
        if only_dlpack and hasattr(nir, "__dlpack__"):
            return np.from_dlpack(cast(Any, nir))
        array = np.asarray(nir)
        if array.dtype == object and hasattr(nir, "__dlpack__"):
            return np.from_dlpack(cast(Any, nir))
        return array
    except InputError:
        raise
    except Exception as error:  # every library has its own
        raise InputError(
            f"nir is not an array ({reason(error)}); give rows of equal length, or an array in the "
            "memory of the host"
        ) from None
