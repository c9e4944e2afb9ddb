"""Directories of tags, as TIFF and EXIF have them, with every value as the bytes that it is.

Libraries decode values, and so lose types, rationals like 0/0 and text in other encodings; here
nothing is decoded, so what is written is what was read. A file is untrusted: what it says of
offsets and lengths is held against its size, and no pointer is followed but by the caller.

Reference: TIFF 6.0, Sec. 2; Exif 3.0 (CIPA DC-008), Sec. 4.6.2.
"""

import io
import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_LONG8 = 16
_UTF8 = 129  # of Exif 3.0
# Bytes of a number of each type; a rational is two.
_NUMBER = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, _UTF8: 1}
_MOST = 4096  # entries of a directory


class Form(NamedTuple):
    """How a file writes its directories.

    Attributes:
        order: "<" or ">", as in `struct`.
        big: Whether it is a BigTIFF.
    """

    order: str
    big: bool = False

    @property
    def pointer(self) -> str:
        """Format of an offset, for `struct`."""
        return self.order + ("Q" if self.big else "I")

    @property
    def counter(self) -> str:
        """Format of the number of entries, for `struct`."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> str:
        """Format of code, type and count of an entry, before its value or offset."""
        return self.order + ("HHQ" if self.big else "HHI")


class Tag(NamedTuple):
    """A tag, immutable; of its last three attributes it has one.

    Attributes:
        dtype: Type by TIFF, 1 to 12.
        value: Bytes in the directory's byte order.
        below: The directory that the tag points to.
        entry: The entry as it is to stand in the directory; its value lies somewhere already.
    """

    dtype: int
    value: bytes = b""
    below: "Directory" = {}  # noqa: RUF012 - a read-only mapping
    entry: bytes = b""


Directory = Mapping[int, Tag]


class Place(NamedTuple):
    """A tag that was not read yet.

    Attributes:
        dtype: Type by TIFF.
        size: Bytes.
        offset: Where the value begins in the file.
        raw: The entry as it stands in the directory.
    """

    dtype: int
    size: int
    offset: int
    raw: bytes


class Listing(NamedTuple):
    """A directory whose values were not read yet.

    Attributes:
        tags: Where they lie, by code; the first of those with the same.
        lost: Codes of those that do not lie in the file.
        complete: Whether the directory lies in the file up to its end.
        following: Offset of the next directory; 0 where there is none.
    """

    tags: dict[int, Place]
    lost: list[int]
    complete: bool
    following: int = 0


def form_of(start: bytes) -> tuple[Form, int]:
    """Read the header of a TIFF or an EXIF block.

    Args:
        start: Its first 16 bytes.

    Returns:
        The form, and the offset of the first directory.

    Raises:
        ValueError: It is neither.
        struct.error: It is truncated.
    """
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    version = struct.unpack_from(f"{order}H", start, 2)[0] if order else 0
    if order is None or version not in (42, 43):
        raise ValueError("no TIFF header")
    form = Form(order, version == 43)
    return form, struct.unpack_from(form.pointer, start, 8 if form.big else 4)[0]


def listing(file: io.BufferedIOBase, offset: int, form: Form) -> Listing:
    """Find the tags of a directory.

    Args:
        file: The file.
        offset: Where the directory begins.
        form: How it is written.

    Returns:
        The tags; none where there is no directory.
    """
    end = file.seek(0, io.SEEK_END)
    head, slot = struct.calcsize(form.entry), struct.calcsize(form.pointer)
    file.seek(min(offset, end))
    start = file.read(struct.calcsize(form.counter))
    if len(start) < struct.calcsize(form.counter):
        return Listing({}, [], False)
    count = min(struct.unpack(form.counter, start)[0], _MOST)
    found: dict[int, Place] = {}
    lost = []
    rows = file.read(count * (head + slot))
    following = file.read(slot)
    complete = len(following) == slot
    for at in range(0, len(rows) - head - slot + 1, head + slot):
        raw = rows[at : at + head + slot]
        code, dtype, length = struct.unpack_from(form.entry, raw)
        size = length * _bytes(dtype)
        here = offset + len(start) + at + head
        there = here if size <= slot else struct.unpack_from(form.pointer, raw, head)[0]
        if there + size <= end or not size:
            found.setdefault(code, Place(dtype, size, there, raw))
        else:
            lost.append(code)
    return Listing(
        found, lost, complete, struct.unpack(form.pointer, following)[0] if complete else 0
    )


def pointed(place: Place, form: Form) -> int | None:
    """Return the offset that a tag holds.

    Args:
        place: The tag.
        form: How its directory is written.

    Returns:
        The offset; None where the tag is none.
    """
    if place.dtype not in (LONG, 13, _LONG8, 18):
        return None
    code = {LONG: "I", 13: "I"}.get(place.dtype, "Q")
    return struct.unpack_from(form.order + code, place.raw, struct.calcsize(form.entry))[0]


def store(directory: Directory, offset: int, form: Form) -> tuple[dict[int, bytes], bytes]:
    """Lay out the values of tags, and the directories that they point to.

    Args:
        directory: The tags; their values in the byte order of `form`.
        offset: Where the values are to begin in the file; even.
        form: How they are written.

    Returns:
        The entries that point to the values, by code; and the values.
    """
    slot = struct.calcsize(form.pointer)
    entries, values = {}, b""
    for code in sorted(directory):
        dtype, value, below, entry = directory[code]
        there = offset + len(values)
        place = struct.pack(form.pointer, there)
        if below:
            dtype, count, value = (_LONG8 if form.big else LONG), 1, pack(below, there, form)
        else:
            count = len(value) // (_bytes(dtype) or 1)
            if len(value) <= slot:
                place, value = value.ljust(slot, b"\0"), b""
        entries[code] = entry or struct.pack(form.entry, code, dtype, count) + place
        values += value + bytes(len(value) % 2)
    return entries, values


def table(entries: Mapping[int, bytes], form: Form, following: int = 0) -> bytes:
    """Write a directory whose values lie somewhere already.

    Args:
        entries: By code.
        form: How they are written.
        following: Offset of the next directory of its chain; 0 where it is the last.

    Returns:
        The bytes of the directory.
    """
    rows = b"".join(entries[code] for code in sorted(entries))
    return struct.pack(form.counter, len(entries)) + rows + struct.pack(form.pointer, following)


def pack(directory: Directory, offset: int, form: Form) -> bytes:
    """Write a directory, followed by its values and by the directories that it points to.

    Args:
        directory: The tags; their values in the byte order of `form`.
        offset: Where it is to begin in the file; even.
        form: How it is written.

    Returns:
        The bytes.
    """
    slot = struct.calcsize(form.pointer)
    width = struct.calcsize(form.entry) + slot
    above = struct.calcsize(form.counter) + len(directory) * width + slot
    entries, values = store(directory, offset + above, form)
    return table(entries, form) + values


def reordered(directory: Directory, before: str, after: str) -> Directory:
    """Change the byte order of all values.

    Args:
        directory: The tags, all of them with values.
        before: Their byte order, "<" or ">".
        after: The byte order wanted.

    Returns:
        The tags, and those of the directories below.
    """
    if before == after:
        return directory
    turned = {}
    for code, (dtype, value, below, _) in directory.items():
        numbers = np.frombuffer(value, f"u{_NUMBER[dtype]}").byteswap()
        turned[code] = Tag(dtype, numbers.tobytes(), reordered(below, before, after))
    return turned


def _bytes(dtype: int) -> int:
    """Return the bytes of one value; 0 for a type that no file of ours has."""
    return _NUMBER.get(dtype, 0) * (2 if dtype in (5, 10) else 1)
