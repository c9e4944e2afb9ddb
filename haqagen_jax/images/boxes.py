"""The boxes of JPEG 2000, JPEG XL, HEIF and AVIF files.

Reference: ISO/IEC 14496-12, Sec. 4.2; ISO/IEC 15444-1, Annex I.
"""

import io
from collections.abc import Iterator


def boxes(file: io.BufferedIOBase, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Walk over the boxes of one level.

    Args:
        file: It may be moved between two boxes.
        start: Where the first box begins.
        stop: Where the level ends.

    Yields:
        The type of a box, and where its content begins and ends, which may be beyond the file.
    """
    while start + 8 <= stop:
        file.seek(start)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        content = start + 8
        if size == 1:
            size, content = int.from_bytes(file.read(8), "big"), start + 16
        end = stop if size == 0 else start + size
        if len(kind) < 4 or end < content:  # garbled
            return
        yield kind, content, end
        start = end


def brands(start: bytes) -> frozenset[bytes]:
    """Return the brands that a HEIF, AVIF or CR3 file names in its first box.

    Args:
        start: The first bytes of a file of any format.

    Returns:
        Brands of four letters; none for other files.
    """
    if start[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(start[:4], "big"), len(start))
    found = {start[8:12], *(start[i : i + 4] for i in range(16, end - 3, 4))}
    return frozenset(found)


def length(file: io.BufferedIOBase) -> int:
    """Return the length of a file.

    Args:
        file: Open; it is left at its end.

    Returns:
        Bytes.
    """
    return file.seek(0, io.SEEK_END)
