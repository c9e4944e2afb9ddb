import html
import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.data import build
from haqagen_jax.data.inspection.survey import inspect
from haqagen_jax.data.rendered import Depth, write_pairs
from haqagen_jax.errors import InputError


@pytest.fixture
def folder(tmp_path):
    for split, seed in (("train", 0), ("val", 10)):
        write_pairs(tmp_path / split, count=3, sizes=[(48, 64)], depths=[Depth.PNG_16], seed=seed)
    return tmp_path


def test_a_folder_without_faults_is_summarized(folder, capsys):
    page = folder / "page.html"
    assert inspect(str(folder), str(page), progress=False) == 0
    text = capsys.readouterr().out
    assert re.search(r"train +3 +64x48 \(3\) +uint16, uint16 \(3\)", text)
    assert "0 faults" in text
    assert "0 look-alikes" in text
    source = page.read_text()
    assert source.count("data:image/jpeg;base64,") == 6
    assert "data:image/svg+xml;base64," in source
    assert "http" not in source  # self-contained
    assert "train/scene_0002: 64x48, uint16, uint16," in html.unescape(source)


def test_every_fault_is_listed_and_the_other_pairs_are_measured(folder, capsys):
    (folder / "train" / "scene_0000_nir.png").unlink()
    Image.new("RGB", (60, 48)).save(folder / "train" / "scene_0001_rgb.png")
    damaged = folder / "val" / "scene_0010_rgb.png"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    (folder / "val" / "scene_0011_rgb.png").write_bytes(b"no image")
    nan = np.full((48, 64), np.nan, np.float32)
    nan[:15] = 0.5
    tifffile.imwrite(folder / "val" / "nan_nir.tif", nan)
    Image.new("RGB", (64, 48)).save(folder / "val" / "nan_rgb.png")
    assert inspect(str(folder), str(folder / "page.html"), progress=False) == 1
    text = capsys.readouterr().out
    assert "5 faults" in text
    for part in (
        "scene_0000_rgb.png (partner)",
        "scene_0001_nir.png is 64x48 but scene_0001_rgb.png is 60x48 (sizes)",
        "scene_0010_rgb.png: truncated or damaged",
        "scene_0011_rgb.png: not a PNG, JPEG or TIFF image (it starts with b'no i') (unreadable)",
        "nan_nir.tif: 2112 of 3072 pixels hold no data, nor do 0 of the color image",
    ):
        assert part in text
    assert "scene_0010_rgb.png" in (folder / "page.html").read_text()


def test_pairs_that_are_cropped_are_listed_and_are_no_fault(folder, capsys):
    rng = np.random.default_rng(0)
    nir = rng.random((48, 64)).astype(np.float32)
    nir[3, 4] = np.nan
    tifffile.imwrite(folder / "val" / "nan_nir.tif", nir)
    Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(folder / "val/nan_rgb.png")
    assert inspect(str(folder), str(folder / "page.html"), progress=False) == 0
    text = capsys.readouterr().out
    assert "0 faults\n1 cropped to the part where both images hold data\n" in text
    assert "  val/nan: 64x48 cropped to 59x48, 7.81 % left out\n" in text
    assert re.search(r"val +4 +64x48 \(3\), 59x48 \(1\)", text)
    page = (folder / "page.html").read_text()
    assert "<li>val/nan: 64x48 cropped to 59x48, 7.81 % left out" in page


def test_a_leak_between_splits_is_a_fault(folder, capsys):
    for band in ("nir", "rgb"):
        source = folder / "train" / f"scene_0000_{band}.png"
        (folder / "val" / f"copy_{band}.png").write_bytes(source.read_bytes())
    assert inspect(str(folder), str(folder / "page.html"), progress=False) == 1
    assert "train/scene_0000 and val/copy" in capsys.readouterr().out


def test_a_built_data_set_is_inspected_too(tmp_path, capsys):
    build.build("synthetic", tmp_path, count=10, size=(48, 64))
    inspect(str(tmp_path), str(tmp_path / "page.html"), progress=False)
    assert re.search(r"train +8 ", capsys.readouterr().out)


def test_a_page_that_cannot_be_written_is_named(folder):
    (folder / "page.html").mkdir()
    with pytest.raises(InputError, match=r"page\.html: is a folder; name the page"):
        inspect(str(folder), str(folder / "page.html"), progress=False)
