"""EXIF: camera, date, place and lens, from the block of a PNG or JPEG or from a TIFF's own tags.

What it says of pixels is made true of the colors: they are upright and sRGB. The thumbnail, which
shows the NIR image, is never read. A tag that is damaged is left out, and named.

Reference: Exif 3.0 (CIPA DC-008), Sec. 4.6.
"""

import io
import struct
from collections.abc import Mapping
from typing import NamedTuple

from haqagen_jax.images.ifd import (
    ASCII,
    BYTE,
    LONG,
    RATIONAL,
    SHORT,
    UNDEFINED,
    Directory,
    Form,
    Place,
    Tag,
    form_of,
    listing,
    pack,
    pointed,
)

MARK = b"Exif\0\0"  # of a JPEG's segment, before the block
ORIENTATION, SOFTWARE, _DESCRIPTION = 274, 305, 270
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
PHOTO, GPS, _INTEROPERABILITY = 34665, 34853, 40965  # directories below the first
_MAKER_NOTE = 37500
# Of the first directory, what holds for colors too: texts, ratings, and the texts of Windows.
_KEPT = {
    **dict.fromkeys((269, _DESCRIPTION, 271, 272, 306, 315, 316, 33432, 50708), (ASCII, 129)),
    **dict.fromkeys((18246, 18249), (SHORT,)),
    **dict.fromkeys(range(40091, 40096), (BYTE, UNDEFINED)),
    X_RESOLUTION: (RATIONAL,),
    Y_RESOLUTION: (RATIONAL,),
    RESOLUTION_UNIT: (SHORT,),
}
# What describes the pixels as they were stored, padding, and what is written by itself.
_OF_PIXELS = {
    *(254, 255, *range(256, 260), 262, 263, 266, 273, ORIENTATION, 277, 278, 279, 280, 281),
    *(X_RESOLUTION, Y_RESOLUTION, 284, 290, 291, RESOLUTION_UNIT, 297, 301, SOFTWARE, 317, 318),
    *(319, 320, *range(322, 326)),
    *(330, 338, 339, 340, 341, 347, *range(512, 522), 529, 530, 531, 532, 34675, 59932, 59933),
}
_STRUCTURE = (b"ImageJ=", b'{"shape"', b"shape=", b"<?xml", b"<OME")  # in a description
_COLOR_SPACE, _WIDTH, _HEIGHT, _GAMMA = 40961, 40962, 40963, 42240
_AREA, _LOCATION = 37396, 41492  # in pixels of the image as it was stored
_PADDING = 59932
_LARGEST = 1 << 24  # bytes of all values together
_HEADER = 8
_NEAR = 1 << 15  # bytes that a block may leave empty to keep the maker's note where it lay


class Exif(NamedTuple):
    """The EXIF of a color image.

    Attributes:
        order: Byte order of the values, "<" or ">".
        tags: The first directory, and those that it points to.
        maker: Where the maker's note lay in its block: it may hold offsets of the block, which
            stay right as long as it stays there. 0 where there is none.
    """

    order: str
    tags: Directory
    maker: int = 0


def read_orientation(block: bytes) -> int:
    """Read the orientation that an EXIF block gives.

    Args:
        block: A small TIFF, as PNG holds it; or with the mark of EXIF before it, as JPEG does.

    Returns:
        The tag, 1 where there is none that can be read.
    """
    block = _bare(block)
    try:
        form, offset = form_of(block[:16].ljust(16, b"\0"))
        place = listing(io.BytesIO(block), offset, form).tags[ORIENTATION]
        kind = {BYTE: "B", SHORT: "H", LONG: "I"}[place.dtype]
        return struct.unpack_from(form.order + kind, block, place.offset)[0]
    except (ValueError, KeyError, struct.error):  # broken metadata must not stop a good image
        return 1


def read_block(block: bytes, size: tuple[int, int], *, turned: bool) -> tuple[Exif, list[str]]:
    """Read the EXIF block of a PNG or JPEG.

    Args:
        block: See `read_orientation`.
        size: (h, w) of the upright image.
        turned: Whether the pixels were stored otherwise.

    Returns:
        What holds for the colors, and the names of what was left out.

    Raises:
        ValueError: The block cannot be read at all.
    """
    block = _bare(block)
    form, offset = form_of(block[:16].ljust(16, b"\0"))
    exif, left = read_directory(io.BytesIO(block), offset, form, size, turned=turned)
    if not exif.tags:
        raise ValueError("no tags")
    return exif, left


def read_directory(
    file: io.BufferedIOBase, offset: int, form: Form, size: tuple[int, int], *, turned: bool
) -> tuple[Exif, list[str]]:
    """Read the EXIF that lies in a directory of a file.

    Args:
        file: The file, a TIFF.
        offset: Where its first directory begins.
        form: How it is written.
        size: See `read_block`.
        turned: See `read_block`.

    Returns:
        See `read_block`.
    """
    reader = _Reader(file, form)
    first = reader.listing(offset)
    tags: dict[int, Tag] = {}
    for code, place in first.items():
        kept = place.dtype in _KEPT.get(code, ())
        if kept and (tag := reader.value(code, place)) is not None:
            if code != _DESCRIPTION or not tag.value.startswith(_STRUCTURE):
                tags[code] = tag
        elif code not in _OF_PIXELS and code not in (PHOTO, GPS):
            reader.left.append(f"tag {code}")
    maker = 0
    for code in (PHOTO, GPS):
        if code in first:
            below, at = reader.directory(code, first[code])
            maker = maker or at
            if below:
                tags[code] = Tag(LONG, below=below)
    if PHOTO in tags:
        tags[PHOTO] = Tag(LONG, below=_true_of_colors(tags[PHOTO].below, form, size, turned))
    if ORIENTATION in first:
        tags[ORIENTATION] = number(SHORT, 1, form.order)
    return Exif(form.order, tags, maker), reader.left


def number(dtype: int, value: int, order: str) -> Tag:
    """Return a tag of one number.

    Args:
        dtype: SHORT or LONG.
        value: The number.
        order: Its byte order, "<" or ">".

    Returns:
        The tag.
    """
    return Tag(dtype, struct.pack(order + {SHORT: "H", LONG: "I"}[dtype], value))


def with_tags(exif: Exif | None, tags: Mapping[int, Tag]) -> Exif:
    """Add tags to the first directory.

    Args:
        exif: None for none yet.
        tags: Values in the byte order of `exif`, "<" if there is none.

    Returns:
        With the tags, in place of others of the same code.
    """
    exif = exif or Exif("<", {})
    return exif._replace(tags={**exif.tags, **tags})


def packed(exif: Exif, most: int) -> tuple[bytes, list[str]]:
    """Write the block of a PNG or JPEG.

    Args:
        exif: What it holds.
        most: Bytes that there is room for; the largest values give way.

    Returns:
        The block, and the names of what was left out.
    """
    left = []
    while len(block := _block(exif)) > most:
        tags, code = _without_largest(exif.tags)
        exif = Exif(exif.order, tags, 0 if code == _MAKER_NOTE else exif.maker)
        left.append(f"tag {code} (too large)")
    return block, left


class _Reader:
    """Values of one file; `left` names the tags that could not be read."""

    def __init__(self, file: io.BufferedIOBase, form: Form) -> None:
        self._file, self._form, self._room = file, form, _LARGEST
        self.left: list[str] = []

    def listing(self, offset: int) -> dict[int, Place]:
        """Find the tags of a directory."""
        tags, lost, *_ = listing(self._file, offset, self._form)
        self.left += [f"tag {code}" for code in lost]
        return tags

    def value(self, code: int, place: Place) -> Tag | None:
        """Read a value; None, and named, if it is empty or too large."""
        if not 0 < place.size <= self._room:
            self.left.append(f"tag {code}")
            return None
        self._room -= place.size
        self._file.seek(place.offset)
        return Tag(place.dtype, self._file.read(place.size))

    def directory(self, parent: int, place: Place) -> tuple[dict[int, Tag], int]:
        """Read a directory that a tag points to, and where the maker's note lies."""
        offset = pointed(place, self._form)
        found = {} if offset is None else self.listing(offset)
        tags: dict[int, Tag] = {}
        for code, inner in found.items():
            if code == _INTEROPERABILITY and parent == PHOTO:
                if below := self.directory(code, inner)[0]:
                    tags[code] = Tag(LONG, below=below)
            elif code != _PADDING and (tag := self.value(code, inner)) is not None:
                tags[code] = tag
        if not tags:
            self.left.append(f"tag {parent}")
        return tags, found[_MAKER_NOTE].offset if _MAKER_NOTE in tags else 0


def _bare(block: bytes) -> bytes:
    """Remove the mark, which some programs write twice, or into a PNG."""
    while block.startswith(MARK):
        block = block[len(MARK) :]
    return block


def _true_of_colors(
    photo: Directory, form: Form, size: tuple[int, int], turned: bool
) -> dict[int, Tag]:
    """Correct what a camera says of its pixels."""
    now = {
        _COLOR_SPACE: number(SHORT, 1, form.order),  # sRGB
        _WIDTH: number(LONG, size[1], form.order),
        _HEIGHT: number(LONG, size[0], form.order),
    }
    wrong = {_GAMMA, *((_AREA, _LOCATION) if turned else ())}
    return {code: now.get(code, tag) for code, tag in photo.items() if code not in wrong}


def _block(exif: Exif) -> bytes:
    form = Form(exif.order)
    tags, start, photo = exif.tags, bytes(_HEADER), exif.tags.get(PHOTO, Tag(LONG)).below
    note = photo.get(_MAKER_NOTE)
    if note is not None and _HEADER <= exif.maker <= _NEAR and len(note.value) > 4:
        entry = struct.pack(form.entry, _MAKER_NOTE, note.dtype, len(note.value))
        stays = note._replace(value=b"", entry=entry + struct.pack(form.pointer, exif.maker))
        tags = {**tags, PHOTO: Tag(LONG, below={**photo, _MAKER_NOTE: stays})}
        start = (
            start.ljust(exif.maker, b"\0") + note.value + bytes((exif.maker + len(note.value)) % 2)
        )
    mark = {"<": b"II", ">": b"MM"}[exif.order] + struct.pack(f"{exif.order}HI", 42, len(start))
    return mark + start[_HEADER:] + pack(tags, len(start), form)


def _without_largest(tags: Directory) -> tuple[Directory, int]:
    """Leave out the largest value, of this directory or those below; return its code."""
    code = max(tags, key=lambda code: (_size(tags[code]), code))
    if not tags[code].below:
        return {other: tag for other, tag in tags.items() if other != code}, code
    below, inner = _without_largest(tags[code].below)
    return {**tags, code: Tag(LONG, below=below)}, inner


def _size(tag: Tag) -> int:
    """Return the bytes of the largest value here or below."""
    return max(len(tag.value), *(_size(below) for below in tag.below.values()), 0)
