"""The tags of a TIFF that say something besides the pixels: found in what is read, then added.

A TIFF is written while its pixels come, so these tags are added when the last one is there: the
first directory is written once more, behind everything else, and the header points to it. Place and
resolution, which the pixels are written with, are of `haqagen_jax.images.tiff_tags`.
"""

import io
import struct
from typing import Any
from xml.etree import ElementTree

import tifffile

from haqagen_jax.images.density import INCH, Density, take_density
from haqagen_jax.images.exif import read_directory
from haqagen_jax.images.ifd import (
    ASCII,
    BYTE,
    UNDEFINED,
    Form,
    Tag,
    form_of,
    listing,
    reordered,
    store,
    table,
)
from haqagen_jax.images.metadata import Metadata, is_xmp
from haqagen_jax.images.tiff_tags import Carried

_XMP, _GDAL = 700, 42112
_NODATA = 42113
# Place and resolution, which are carried by themselves; no data, which the pixels say.
_OTHERS = {33550, 33922, 34264, 34735, 34736, 34737, _NODATA}
_HANDLED = {f"tag {code}" for code in (_XMP, _GDAL, *_OTHERS)}
_LARGEST = 1 << 24  # bytes of a packet


def read_metadata(
    file: io.BufferedIOBase,
    page: tifffile.TiffPage,
    carried: Carried,
    size: tuple[int, int],
    orientation: int,
) -> Metadata:
    """Read what a TIFF says besides its pixels.

    Args:
        file: The file.
        page: Its image.
        carried: Its place and its resolution.
        size: (h, w) of the upright image.
        orientation: By which the pixels were turned upright.

    Returns:
        What holds for the colors.
    """
    form = Form(page.parent.byteorder, page.parent.is_bigtiff)
    exif, lost = read_directory(file, page.offset, form, size, turned=orientation != 1)
    exif, _ = take_density(exif)
    found = listing(file, page.offset, form).tags
    packets = {}
    for code, types in ((_XMP, (BYTE, UNDEFINED)), (_GDAL, (ASCII, BYTE))):
        place = found.get(code)
        if place is not None and place.dtype in types and place.size <= _LARGEST:
            file.seek(place.offset)
            packets[code] = file.read(place.size)
    xmp, gdal = packets.get(_XMP, b""), _of_all_bands(packets.get(_GDAL, b""))
    left = [f"TIFF {name}" for name in lost if name not in _HANDLED]
    if _XMP in found and not is_xmp(xmp):
        xmp = b""
        left.append("XMP")
    if _GDAL in found and gdal is None:
        left.append("GDAL metadata")
    return Metadata(
        exif if exif.tags else None,
        xmp,
        density=_density(carried),
        carried=carried,
        gdal=gdal or b"",
        left=tuple(left),
    )


def pack_metadata(metadata: Metadata) -> tuple[dict[int, Tag], tuple[str, ...]]:
    """Gather the tags that are added to a TIFF.

    Args:
        metadata: Of the colors.

    Returns:
        The tags, little-endian; and the names of what a TIFF cannot hold.
    """
    tags: dict[int, Any] = {}
    if metadata.exif is not None:
        tags |= reordered(metadata.exif.tags, metadata.exif.order, "<")
    if metadata.xmp:
        tags[_XMP] = Tag(BYTE, metadata.xmp)
    if metadata.gdal:
        tags[_GDAL] = Tag(ASCII, metadata.gdal)
    left = ["extended XMP"] if metadata.xmp_more else []
    left += ["texts of the PNG"] if metadata.texts else []
    return tags, tuple(left)


def written_tags(metadata: Metadata) -> dict[str, Any]:
    """Return the tags that the pixels of a TIFF are written with.

    Args:
        metadata: Of the colors.

    Returns:
        Keyword arguments of `tifffile.TiffWriter.write`.
    """
    tags = {"software": False, **metadata.carried.tags}  # not the library's name
    if metadata.density is not None:
        tags["resolution"] = metadata.density.x, metadata.density.y
        tags["resolutionunit"] = metadata.density.unit
    return tags


def add_metadata(file: io.BufferedIOBase, metadata: Metadata) -> None:
    """Add metadata to a TIFF.

    Args:
        file: A complete TIFF, little- or big-endian, open for reading and writing. The directories
            after its first one, as that of a mask, stay as they are.
        metadata: Of the colors.

    Raises:
        OSError: It cannot be written.
    """
    tags, _ = pack_metadata(metadata)
    if not tags:
        return
    file.seek(0)
    form, offset = form_of(file.read(16))
    first = listing(file, offset, form)
    entries = {code: place.raw for code, place in first.tags.items()}
    end = file.seek(0, io.SEEK_END)
    start = end + end % 2
    added, values = store(reordered(tags, "<", form.order), start, form)
    # The directory comes last: without its end, the file cannot be taken for complete.
    file.write(bytes(start - end) + values)
    file.write(table({**entries, **added}, form, first.following))
    file.seek(8 if form.big else 4)
    file.write(struct.pack(form.pointer, start + len(values)))
    file.seek(0, io.SEEK_END)


def has_directory(file: io.BufferedIOBase) -> bool:
    """Tell whether the first directory of a TIFF lies in the file up to its end.

    Args:
        file: A TIFF.

    Returns:
        False for a file that was cut in it.
    """
    file.seek(0)
    form, offset = form_of(file.read(16))
    return listing(file, offset, form).complete


def _of_all_bands(text: bytes) -> bytes | None:
    """Leave out what GDAL's metadata says of single bands; None if it is damaged.

    The statistics and the names of the NIR bands would be wrong of red, green and blue.
    """
    content = text.rstrip(b"\0")
    if not content or b"<!ENTITY" in content:
        return None if content else b""
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    items = root.findall("Item")
    wrong = [
        item
        for item in items
        if "sample" in item.attrib or str(item.get("name", "")).startswith("STATISTICS_")
    ]
    if not wrong:
        return text
    if len(wrong) == len(items):
        return b""
    for item in wrong:
        root.remove(item)
    return ElementTree.tostring(root, encoding="us-ascii") + b"\0"


def _density(carried: Carried) -> Density | None:
    if (resolution := carried.tags.get("resolution")) is None:
        return None
    x, y = resolution
    density = Density(x, y, carried.tags.get("resolutionunit", INCH))
    return density if density.sound else None
