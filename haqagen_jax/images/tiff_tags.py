"""The tags of a TIFF that its colored version keeps: its place on the ground, and its resolution.

A tag is data from outside, and may hold anything. What cannot be carried over is left out, and
named: a damaged tag costs the tag, not the image.
"""

import io
import math
from typing import Any, NamedTuple

import numpy as np
import tifffile

_DOUBLE, _SHORT, _ASCII = 12, 3, 2
# Pixel scale, tie points, transform, and the keys with their numbers and texts (GeoTIFF 1.1, 7.2).
_GEOGRAPHIC = {
    33550: _DOUBLE,
    33922: _DOUBLE,
    34264: _DOUBLE,
    34735: _SHORT,
    34736: _DOUBLE,
    34737: _ASCII,
}
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
ORIENTATION = 274  # EXIF has the same tag
_INCH = 2  # the unit by the standard, where none is given


class Carried(NamedTuple):
    """What a colored image says of its place and resolution.

    Attributes:
        tags: keyword arguments of `tifffile.TiffWriter.write`.
        dropped: what the file has, and cannot be carried over.
    """

    tags: dict[str, Any]
    dropped: tuple[str, ...] = ()

    @property
    def georeferenced(self) -> bool:
        """Whether the image is known to show a stretch of land."""
        return any(tag[0] in _GEOGRAPHIC for tag in self.tags.get("extratags", ()))


NOTHING = Carried({})


def carried_tags(page: tifffile.TiffPage) -> Carried:
    """Reads where an image lies on the ground, and its resolution.

    The geographic tags refer to each other, so they are carried together or not at all.

    Args:
        page: of an open file; a turned image has no tags that would still be true.
    """
    if page.tags.valueof(ORIENTATION, default=1) != 1:
        return Carried({})
    tags: dict[str, Any] = {}
    dropped = []
    for name, read in (("place on the ground", _geographic), ("resolution", _resolution)):
        try:
            found = read(page)
            _require_writable(found)
        except Exception:  # reading and writing a damaged tag fail in any way
            dropped.append(name)
        else:
            tags |= found
    return Carried(tags, tuple(dropped))


def _geographic(page: tifffile.TiffPage) -> dict[str, Any]:
    found = []
    for code, dtype in _GEOGRAPHIC.items():
        if (tag := page.tags.get(code)) is None:
            continue
        value = tag.value
        if tag.dtype != dtype:
            raise ValueError(f"tag {code} has type {tag.dtype}")
        if dtype == _ASCII:  # as stored: names of reference systems are in any encoding
            file = page.parent.filehandle
            file.seek(tag.valueoffset)
            value = file.read(tag.valuebytecount)
        elif not np.isfinite(np.asarray(value, np.float64)).all():
            raise ValueError(f"tag {code} is not finite")
        found.append((code, dtype, len(value) if dtype == _ASCII else tag.count, value, True))
    return {"extratags": found} if found else {}


def _resolution(page: tifffile.TiffPage) -> dict[str, Any]:
    x, y, unit = (
        page.tags.valueof(code) for code in (_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)
    )
    if x is None or y is None:
        return {}
    for numerator, denominator in (x, y):
        if not math.isfinite(numerator / denominator):
            raise ValueError("the resolution is not finite")
    return {"resolution": (x, y), "resolutionunit": _INCH if unit is None else unit}


def _require_writable(tags: dict[str, Any]) -> None:
    """Writes tags to a tiny image, as the library knows best what it can write."""
    if tags:
        with tifffile.TiffWriter(io.BytesIO()) as writer:  # pyright: ignore
            writer.write(np.zeros((16, 16), np.uint8), photometric="minisblack", **tags)
