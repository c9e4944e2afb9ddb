"""How a color image marks the pixels without data: as the NIR image did, where its format can.

Rows of colors are NaN where the image holds no data; here they become stored pixels.
"""

import copy
import dataclasses

import numpy as np
from jaxtyping import Float32, Real

from haqagen_jax.errors import InputError
from haqagen_jax.images import nodata
from haqagen_jax.images.levels import from_levels, quantize
from haqagen_jax.images.stream import Source


@dataclasses.dataclass(frozen=True)
class Marking:
    """The mark of pixels without data.

    Attributes:
        kind: "nodata": a value in all channels. "alpha": a fourth channel. "mask": an image of its
            own in the same TIFF. None: there is no such pixel.
        value: The nodata value, NaN among them.
        tag: What the tag GDAL_NODATA says; None to write none.
        rows: Of alpha, the NIR image's own opacity, if it has one; of a mask, the NIR image.
    """

    kind: str | None = None
    value: int | float = 0
    tag: str | None = None
    rows: Source | None = None

    @property
    def channels(self) -> int:
        """Channels of a stored pixel."""
        return 4 if self.kind == "alpha" else 3

    def in_format(self, suffix: str) -> "Marking":
        """Choose the mark that a format can hold.

        Args:
            suffix: Of the file, in lower case.

        Returns:
            This one for TIFF; alpha, if anything, for PNG; none for others. It reads `rows` by
            itself: a source keeps the rows it decoded last, which many calls of `stored` may need.
        """
        rows = copy.copy(self.rows)
        if suffix in (".tif", ".tiff") or self.kind is None:
            return dataclasses.replace(self, rows=rows)
        if suffix == ".png":
            return Marking("alpha", rows=rows if self.kind == "alpha" else None)
        return Marking()

    def stored(
        self, rows: Float32[np.ndarray, "rows w 3"], dtype: np.dtype, start: int
    ) -> Real[np.ndarray, "rows w c"]:
        """Bring rows of colors to stored pixels.

        Args:
            rows: sRGB-encoded, in [0, 1]; NaN where the image holds no data.
            dtype: uint8, uint16 or float32.
            start: The first of them in the image.

        Returns:
            `channels` channels of that type. Of valid pixels, a channel that happens to have the
            nodata value gets the next one beside it.

        Raises:
            InputError: The format cannot mark pixels without data, or the opacity cannot be read.
        """
        gaps = np.isnan(rows[..., 0])
        found = bool(gaps.any())
        if found and self.kind is None:
            raise InputError(
                "has pixels without data, which this file type cannot mark; name the output .tif "
                "or .png"
            )
        colors = quantize(np.where(gaps[..., None], 0, rows) if found else rows, dtype)
        if self.kind == "nodata":
            colors[colors == self.value] = _beside(self.value, dtype)
            colors[gaps] = self.value
        if self.kind == "alpha":
            alpha = self._alpha(gaps, dtype, start)
            colors = np.concatenate([colors, alpha[..., None]], axis=-1)
        return colors

    def _alpha(self, gaps: np.ndarray, dtype: np.dtype, start: int) -> np.ndarray:
        full = quantize(np.ones(gaps.shape, np.float32), dtype)
        if self.rows is not None:
            stored = np.ma.getdata(self.rows.rows(start, start + len(gaps)))
            full = stored if stored.dtype == dtype else quantize(from_levels(stored), dtype)
        return np.where(gaps, 0, full).astype(dtype)


NO_MARK = Marking()


def marking_of(
    tag: nodata.Tag | None, colors: np.dtype, opacity: Source | None, masked: Source | None
) -> Marking:
    """Choose how the colors of an image mark pixels without data: as the image does.

    Args:
        tag: The nodata value that its pixels can have.
        colors: uint8, uint16 or float32.
        opacity: Its alpha.
        masked: The image, if it has a mask of its own.

    Returns:
        The mark: alpha before a nodata value before a mask; NaN for floats that have none of them.
    """
    if opacity is not None:
        return Marking("alpha", rows=opacity)
    if tag is not None:
        value = nodata.fitting(tag.value, colors)
        return Marking("nodata", 0, "0") if value is None else Marking("nodata", value, tag.text)
    if masked is not None:
        return Marking("mask", rows=masked)
    return Marking("nodata", float("nan")) if colors.kind == "f" else Marking()


def _beside(value: int | float, dtype: np.dtype) -> int | float:
    if dtype.kind == "f":
        toward = np.float32(1 if value < 1 else 0)
        return float(np.nextafter(np.float32(value), toward))
    return value - 1 if value == np.iinfo(dtype).max else value + 1
