"""TIFF tags are carried over, or dropped and named."""

import numpy as np
import pytest
import tifffile

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.images import files as image_files
from haqagen_jax.images.tiff_tags import carried_tags

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)
SCALE = (33550, 12, 3, (0.5, 0.5, 0.0), True)
GEOGRAPHIC = ("place on the ground",)
RESOLUTION = ("resolution",)


def carried(tmp_path, *tags, **options):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, extratags=tags, metadata=None, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        return carried_tags(file.pages.first)


@pytest.mark.parametrize("text", ["Gauß-Krüger|".encode(), "Gauß|".encode("latin1"), b"UTM|"])
def test_names_in_any_encoding_keep_their_bytes(tmp_path, text):
    tags, dropped = carried(tmp_path, SCALE, (34737, 2, len(text) + 1, text + b"\0", True))
    assert dropped == ()
    assert tags["extratags"][1][3] == text + b"\0"


@pytest.mark.parametrize(
    "tag",
    [
        (33550, 3, 1, 7, True),  # a short instead of doubles
        (33550, 12, 3, (0.5, float("nan"), 0.0), True),
        (34735, 12, 1, 1.5, True),
    ],
)
def test_a_damaged_georeference_is_dropped_as_a_whole(tmp_path, tag):
    tags, dropped = carried(tmp_path, tag, (34737, 2, 5, b"UTM|\0", True))
    assert "extratags" not in tags
    assert dropped == GEOGRAPHIC


def change_entry(path, code, *, value=None, dtype=None, count=None):
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags[code]
        handle = file.filehandle
        for offset, new, size in ((2, dtype, 2), (4, count, 4)):
            if new is not None:
                handle.seek(tag.offset + offset)
                handle.write(new.to_bytes(size, "little"))
        if value is not None:
            handle.seek(tag.valueoffset)
            handle.write(value)


@pytest.mark.parametrize(
    "change",
    [
        {"code": 282, "value": bytes(8)},  # 0/0
        {"code": 283, "value": bytes([1, 0, 0, 0, 0, 0, 0, 0])},  # 1/0
        {"code": 296, "value": bytes(2)},  # no such unit
        {"code": 282, "dtype": 3},  # a short instead of two numbers
    ],
)
def test_an_invalid_resolution_is_dropped_and_the_image_is_colored(tmp_path, change, capfd):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.tif"
    tifffile.imwrite(path, IMAGE, resolution=(300, 300), resolutionunit=2, metadata=None)
    change_entry(path, **change)
    status = colorize_files([str(path)], str(tmp_path / "out"), "grey", progress=False)
    assert status == 0
    assert "a.tif: its tags of resolution are damaged" in capfd.readouterr().err
    assert image_files.read_size(tmp_path / "out" / "a_rgb.tif") == (8, 8)


def test_a_reference_system_that_is_not_ascii_is_carried_over(tmp_path, capfd):
    text = "Gauß-Krüger|".encode() + b"\0"
    (tmp_path / "in").mkdir()
    tags = [SCALE, (34737, 2, len(text), text, True)]
    tifffile.imwrite(tmp_path / "in" / "a.tif", IMAGE, extratags=tags, metadata=None)
    tifffile.imwrite(tmp_path / "in" / "b.tif", IMAGE)
    out = tmp_path / "out"
    assert colorize_files([str(tmp_path / "in")], str(out), "grey", progress=False) == 0
    assert capfd.readouterr().out.startswith("2 colored, 0 failed")
    with tifffile.TiffFile(out / "a_rgb.tif") as file:
        assert file.pages.first.tags.valueof(34737) == "Gauß-Krüger|"
