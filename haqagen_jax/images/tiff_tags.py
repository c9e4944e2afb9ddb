"""The tags of a TIFF that its colors keep: georeference (GeoTIFF) and resolution.

A tag is untrusted data, and may hold anything. What cannot be carried over is left out, and
named: a damaged tag costs the tag, not the image.
"""

import io
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
    """The tags that a color image takes over from its NIR image.

    Attributes:
        tags: Keyword arguments of `tifffile.TiffWriter.write`.
        dropped: The kinds of tags that the file has and that cannot be carried over.
    """

    tags: dict[str, Any]
    dropped: tuple[str, ...] = ()

    @property
    def georeferenced(self) -> bool:
        """Whether the image has a georeference: it shows an area of land."""
        return any(tag[0] in _GEOGRAPHIC for tag in self.tags.get("extratags", ()))


NOTHING = Carried({})


def carried_tags(page: tifffile.TiffPage) -> Carried:
    """Read the georeference and the resolution of an image.

    The geographic tags refer to each other, so they are carried together or not at all.

    Args:
        page: The image of an open file. The place of a turned one does not hold for its upright
            pixels.

    Returns:
        The tags, each proven to be writable.
    """
    tags: dict[str, Any] = {}
    dropped = []
    readers = [("resolution", _resolution)]
    if page.tags.valueof(ORIENTATION, default=1) == 1:
        readers.insert(0, ("place on the ground", _geographic))
    for name, read in readers:
        try:
            kept = read(page)
            _require_writable(kept)
        except Exception:  # reading and writing a damaged tag fail in any way
            dropped.append(name)
        else:
            tags |= kept
    return Carried(tags, tuple(dropped))


def _geographic(page: tifffile.TiffPage) -> dict[str, Any]:
    extratags = []
    for code, dtype in _GEOGRAPHIC.items():
        if (tag := page.tags.get(code)) is None:
            continue
        value = tag.value
        if tag.dtype != dtype:
            raise ValueError(f"tag {code} has type {tag.dtype}")
        if dtype == _ASCII:  # the stored bytes: names of reference systems have any encoding
            file = page.parent.filehandle
            file.seek(tag.valueoffset)
            value = file.read(tag.valuebytecount)
        elif not np.isfinite(np.asarray(value, np.float64)).all():
            raise ValueError(f"tag {code} is not finite")
        extratags.append((code, dtype, len(value) if dtype == _ASCII else tag.count, value, True))
    return {"extratags": extratags} if extratags else {}


def _resolution(page: tifffile.TiffPage) -> dict[str, Any]:
    x, y, unit = (
        page.tags.valueof(code) for code in (_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT)
    )
    if x is None or y is None:
        return {}
    for numerator, denominator in (x, y):
        if not (numerator > 0 and denominator > 0):
            raise ValueError("the resolution is not a positive number")
    if 5 <= page.tags.valueof(ORIENTATION, default=1) <= 8:
        x, y = y, x
    return {"resolution": (x, y), "resolutionunit": _INCH if unit is None else int(unit)}


def _require_writable(tags: dict[str, Any]) -> None:
    """Try to write tags to a tiny image, as only the library knows what it can write."""
    if tags:
        with tifffile.TiffWriter(io.BytesIO()) as writer:  # pyright: ignore
            writer.write(np.zeros((16, 16), np.uint8), photometric="minisblack", **tags)
