"""TIFF of several images: pages, ImageJ's stacks with many directories and with one, OME-TIFF."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from haqagen_jax.errors import InputError
from haqagen_jax.images.bands import Choice
from haqagen_jax.images.source import open_images, open_nir

STACK = np.random.default_rng(7).integers(0, 65536, (5, 32, 40)).astype(np.uint16)


def write(path: Path, *images: np.ndarray, **options) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for image in images:
            writer.write(image, metadata=None, photometric="minisblack", **options)
    return path


def imagej(path: Path) -> Path:
    tifffile.imwrite(path, STACK, imagej=True)
    return path


def one_directory(path: Path) -> Path:
    """As ImageJ writes above 4 GB: one directory, whose image is followed by the others."""
    tags = {"description": "ImageJ=1.53t\nimages=5\nframes=5\nloop=false\n", "byteorder": ">"}
    with tifffile.TiffWriter(path, byteorder=">") as writer:
        writer.write(STACK[0], metadata=None, description=tags["description"])
    with path.open("ab") as file:
        file.write(STACK[1:].astype(">u2").tobytes())
    return path


def ome(path: Path) -> Path:
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"})
    return path


def shaped(path: Path) -> Path:
    tifffile.imwrite(path, STACK)
    return path


def truncated_directory(path: Path) -> Path:
    tifffile.imwrite(path, STACK, truncate=True)
    return path


def bigtiff(path: Path) -> Path:
    return write(path.with_suffix(".btf"), *STACK)


def with_overviews_and_masks(path: Path) -> Path:
    with tifffile.TiffWriter(path) as writer:
        for image in STACK:
            writer.write(image, metadata=None, photometric="minisblack")
            writer.write(image[::2, ::2], metadata=None, photometric="minisblack", subfiletype=1)
            mask = np.full(image.shape, True)
            mask[0, 0] = False
            writer.write(mask, metadata=None, photometric="mask", subfiletype=4)
    return path


def tiled(path: Path) -> Path:
    return write(path, *STACK, tile=(16, 16), compression="zlib")


KINDS = (
    *(imagej, one_directory, ome, shaped, truncated_directory, with_overviews_and_masks, tiled),
    bigtiff,
)


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def stack(request, tmp_path):
    return request.param(tmp_path / "a.tif")


def test_all_pages_come_in_order(stack):
    images = [
        np.ma.getdata(opened.source.rows(0, 32))
        for opened in open_images(stack, choice=Choice(page="all"))
    ]
    np.testing.assert_array_equal(images, STACK)


def test_each_page_alone(stack):
    for number, image in enumerate(STACK, 1):
        opened = open_nir(stack, choice=Choice(page=str(number)))
        assert opened.count == 1
        np.testing.assert_array_equal(np.ma.getdata(opened.source.rows(0, 32)), image)


def test_by_parts(stack, monkeypatch):
    monkeypatch.setattr("haqagen_jax.images.source.BLOCK", 10)
    images = [
        np.ma.getdata(np.ma.concatenate([opened.source.rows(i, i + 8) for i in range(0, 32, 8)]))
        for opened in open_images(stack, choice=Choice(page="all"))
    ]
    np.testing.assert_array_equal(images, STACK)


def test_without_the_option_the_line_says_how_many_and_what_to_do(stack):
    with pytest.raises(InputError) as caught:
        open_nir(stack)
    line = "holds 5 images; color one of them with --page N, or all with --page all"
    assert str(caught.value) == f"{stack}: {line}"


def test_a_page_that_is_not_there(stack):
    with pytest.raises(InputError, match=r"has no page 6; it holds 5 images; give --page 1 to 5"):
        open_nir(stack, choice=Choice(page="6"))


def test_masks_stay_with_their_pages(tmp_path):
    path = with_overviews_and_masks(tmp_path / "a.tif")
    for opened in open_images(path, choice=Choice(page="all")):
        missing = np.ma.getmaskarray(opened.source.rows(0, 32))
        assert missing[0, 0]
        assert missing.sum() == 1


def test_pages_differ_in_size_and_type(tmp_path):
    images = STACK[0], (STACK[1, :9, :7] >> 8).astype(np.uint8), STACK[2].astype(np.float32)
    path = write(tmp_path / "a.tif", *images)
    opened = list(open_images(path, choice=Choice(page="all")))
    assert [one.colors for one in opened] == [np.uint16, np.uint8, np.float32]
    assert [(one.source.height, one.source.width) for one in opened] == [i.shape for i in images]
    assert {one.count for one in opened} == {3}
    assert {one.pixels for one in opened} == {2 * 32 * 40 + 63}


def test_a_damaged_page_is_named(tmp_path):
    path = write(tmp_path / "a.tif", *STACK, compression="zlib")
    with tifffile.TiffFile(path) as content:
        offset = content.pages[2].dataoffsets[0]  # pyright: ignore
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"garbage")
    images = open_images(path, choice=Choice(page="all"))
    assert next(images).count == 5
    next(images)
    with pytest.raises(InputError) as caught:
        next(images)
    assert str(caught.value).startswith(f"{path}: page 3: truncated or damaged")


def test_a_stack_of_one_directory_that_was_cut(tmp_path):
    path = one_directory(tmp_path / "a.tif")
    path.write_bytes(path.read_bytes()[:-10])
    opened = open_images(path, choice=Choice(page="all"))
    for _ in range(4):
        next(opened)
    with pytest.raises(InputError, match=r"a\.tif: page 5: truncated \(a TIFF without its last"):
        next(opened)


def test_other_files_hold_one_image(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, STACK[0])
    for page in ("1", "all", None):
        (opened,) = open_images(path, choice=Choice(page=page))
        assert opened.count == 1
    with pytest.raises(InputError, match=r"has no page 2; it holds 1 image; give --page 1 to 1"):
        open_nir(path, choice=Choice(page="2"))


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "ALL", "²"])
def test_what_is_no_page(page):
    with pytest.raises(InputError, match="must be a number from 1, or all"):
        Choice(page=page)


def test_a_stack_in_memory_is_not_read_again_for_each_page(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", *STACK)
    opened = []
    real = tifffile.TiffFile
    monkeypatch.setattr(
        "haqagen_jax.images.header.tifffile.TiffFile",
        lambda file: opened.append(1) or real(file),
    )
    assert len(list(open_images(path, choice=Choice(page="all")))) == 5
    assert len(opened) <= 2
