"""The images of a TIFF of several: pages, and the planes of a stack that has one directory.

Overviews, thumbnails and masks are no images of their own.
"""

import copy
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tifffile

from haqagen_jax.errors import InputError

ALL = "all"


class Page(NamedTuple):
    """An image of a TIFF.

    Attributes:
        page: The image.
        mask: Its mask, which is 0 where it holds no data; None if it has none.
    """

    page: tifffile.TiffPage
    mask: tifffile.TiffPage | None


def pages_of(content: tifffile.TiffFile) -> list[Page]:
    """List the images of a TIFF in order, each with its mask.

    Args:
        content: The open file.

    Returns:
        The images. A mask belongs to the last image of its size before it, or of them all to the
        first one of its size.

    Raises:
        InputError: A stack whose planes cannot be told apart. The message does not name the file.
    """
    found: list[Page] = []
    early: list[tifffile.TiffPage] = []
    for page in directories(content):
        if not isinstance(page, tifffile.TiffPage) or page.is_reduced:
            continue
        if not page.is_mask:
            found.append(Page(page, None))
        elif not _gets_mask(found[::-1], found, page):
            early.append(page)
    for mask in early:
        _gets_mask(list(found), found, mask)
    if len(found) == 1 and (count := _planes(content, found[0].page)) > 1:
        return [Page(_plane(found[0].page, number, count), None) for number in range(count)]
    return found


def chosen_page(content: tifffile.TiffFile, number: int | None) -> Page:
    """Find one image of a TIFF.

    Args:
        content: The open file.
        number: Which, from 1; None: the only one.

    Returns:
        The image.

    Raises:
        InputError: No image, several, or none of that number. The message does not name the file.
    """
    pages = pages_of(content)
    if number is None:
        if len(pages) == 1:
            return pages[0]
        remedy = "; color one of them with --page N, or all with --page all" if pages else ""
        raise InputError(f"holds {len(pages)} images{remedy or '; export it again'}")
    require_page(number, len(pages))
    return pages[number - 1]


def require_page(number: int | None, count: int) -> None:
    """Refuse a number that no image of a file has.

    Args:
        number: From 1; None: the only one.
        count: The images of the file.

    Raises:
        InputError: There is no such image. The message does not name the file.
    """
    if number is not None and number > count:
        images = "1 image" if count == 1 else f"{count} images"
        raise InputError(f"has no page {number}; it holds {images}; give --page 1 to {count}")


def directories(content: tifffile.TiffFile) -> Iterator[object]:
    """List the directories of a TIFF in order; tifffile itself follows a loop for ever.

    Args:
        content: The open file.

    Yields:
        Pages, or frames of the same kind as the page before.

    Raises:
        InputError: A directory leads back to one before it. The message does not name the file.
    """
    seen: set[int] = set()
    for index in itertools.count():
        try:
            page = content.pages[index]
        except IndexError:
            return
        if page.offset in seen:
            raise InputError("truncated or damaged (its directories form a loop); export it again")
        seen.add(page.offset)
        yield page


def _gets_mask(order: list[Page], found: list[Page], mask: tifffile.TiffPage) -> bool:
    """Give a mask to the first image of its size that has none."""
    for owner in order:
        size = owner.page.imagelength, owner.page.imagewidth
        if owner.mask is None and (mask.imagelength, mask.imagewidth) == size:
            found[found.index(owner)] = Page(owner.page, mask)
            return True
    return False


def _planes(content: tifffile.TiffFile, page: tifffile.TiffPage) -> int:
    """Return how many images the only directory stands for: ImageJ's, MetaMorph's, tifffile's."""
    if content.is_imagej:
        return int((content.imagej_metadata or {}).get("images", 1))
    if content.is_stk or content.is_shaped:
        series = content.series
        return max(1, series[0].size // max(1, int(np.prod(page.shape)))) if len(series) == 1 else 1
    return 1


def _plane(page: tifffile.TiffPage, number: int, count: int) -> tifffile.TiffPage:
    """Return a page that reads the pixels behind those of the first plane."""
    if page.compression != 1 or page.is_tiled or not page.is_contiguous:
        raise InputError(
            f"holds {count} images in one directory, which are not plain; save them as a TIFF of "
            f"{count} pages"
        )
    plane = copy.copy(page)
    above = number * page.nbytes
    plane.dataoffsets = tuple(offset + above for offset in page.dataoffsets)
    return plane
