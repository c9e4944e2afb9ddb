"""Outliers, sequences and mosaics in many files: which pixels become black and white."""

from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from haqagen_jax.batch.run import colorize_files
from haqagen_jax.batch.select import Rules
from haqagen_jax.errors import InputError
from haqagen_jax.inference.settings import MINMAX, Settings


def scene(height=60, width=80):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(0)
    return (0.5 + 0.4 * np.sin(x / 9) * np.cos(y / 7) + 0.1 * rng.random((height, width))) / 1.0


def color(files, out, *, stretch=None, **rules):
    names = [str(file) for file in files]
    settings, rules = Settings(stretch=stretch), Rules(overwrite=True, **rules)
    return colorize_files(names, str(out), "grey", settings, rules, progress=False)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "int16"])
@pytest.mark.parametrize("size", [(60, 80), (18, 22)])
def test_a_stuck_pixel_does_not_darken_the_rest(tmp_path, capsys, dtype, size):
    """Twelve bits in a container of more, and one pixel at its end."""
    clean = (scene(*size) * 900 + 120).astype(dtype)
    hot = clean.copy()
    hot[7, 9] = 30_000
    for name, image in (("clean", clean), ("hot", hot)):
        tifffile.imwrite(tmp_path / f"{name}.tif", image, metadata=None)
    files = [tmp_path / "clean.tif", tmp_path / "hot.tif"]

    def medians():
        return [np.median(tifffile.imread(tmp_path / f"out/{n}_rgb.tif")) for n in ("clean", "hot")]

    assert color(files, tmp_path / "out") == 0
    want, got = medians()
    assert got == pytest.approx(want, rel=0.03)
    lines = [line for line in capsys.readouterr().err.splitlines() if "0.01 %" in line]
    assert len(lines) == 1
    assert "hot.tif: the brightest" in lines[0]
    assert lines[0].endswith("and are clipped (--stretch minmax keeps them)")
    assert color(files, tmp_path / "out", stretch=MINMAX) == 0
    want, got = medians()
    assert got < 0.1 * want
    lines = [line for line in capsys.readouterr().err.splitlines() if "0.01 %" in line]
    assert len(lines) == 1
    assert lines[0].endswith("so that the rest is dark; give --stretch 0.1,99.9")


def test_stuck_columns_need_wider_percentiles(tmp_path):
    clean = (scene() * 900 + 120).astype("u2")
    columns = clean.copy()
    columns[:, 30], columns[:, 31] = 0, 4095
    for name, image in (("clean", clean), ("columns", columns)):
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    files = [tmp_path / "clean.tif", tmp_path / "columns.tif"]
    assert color(files, tmp_path / "out", stretch=(2.0, 98.0)) == 0
    want, got = (np.median(tifffile.imread(tmp_path / f"out/{f.stem}_rgb.tif")) for f in files)
    assert got == pytest.approx(want, rel=0.1)


def test_a_sequence_with_one_stretch(tmp_path, capsys):
    """A fade, a black frame and a letter box: no hole, and no frame stretched by itself."""
    clip = tmp_path / "clip"
    clip.mkdir()
    for k in range(1, 7):
        frame = (scene() * 100 + 10 * k).astype("u1")
        if k == 3:
            frame[:] = 0
        if k == 4:
            frame[:], frame[0, 0] = 16, 17
        Image.fromarray(np.pad(frame, [(10, 10), (0, 0)])).save(clip / f"frame_{k}.png")
    assert color([clip], tmp_path / "own") == 0
    assert "frame_3.png: all pixels have the value 0" in capsys.readouterr().err
    assert color([clip], tmp_path / "all", shared_stretch=True) == 0
    assert color([clip], tmp_path / "from", stretch_from=str(clip / "frame_6.png")) == 0

    def read(folder, k):
        return np.asarray(Image.open(tmp_path / folder / f"frame_{k}_rgb.png")).astype(float)

    assert read("own", 4).max() > 250  # two values far apart
    for folder in ("all", "from"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == [
            f"frame_{k}_rgb.png" for k in range(1, 7)
        ]
        assert read(folder, 3).max() == 0
        assert read(folder, 4).max() < 60
        assert 10 < (read(folder, 6) - read(folder, 5))[30:50].mean() < 25
    np.testing.assert_array_equal(read("from", 6), read("own", 6))


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float32", "uint8"])
def test_a_mosaic_in_two_files_has_no_seam(tmp_path, dtype):
    """Files of different ranges, of which one has negative numbers, and gaps."""
    low = -40 if dtype == "int16" else 2
    whole = (scene() * np.linspace(20, 110, 80) + low).astype(dtype)
    fill = np.array(1, dtype)
    whole[:4, :6] = fill
    tags: Any = {"extratags": [(42113, 2, 0, "1", True)], "metadata": None}
    for name, part in (("whole", whole), ("left", whole[:, :40]), ("right", whole[:, 40:])):
        tifffile.imwrite(tmp_path / f"{name}.tif", part, **tags)
    halves = [tmp_path / "left.tif", tmp_path / "right.tif"]
    assert color([tmp_path / "whole.tif"], tmp_path / "out") == 0
    assert color(halves, tmp_path / "all", shared_stretch=True) == 0
    assert color(halves, tmp_path / "from", stretch_from=str(tmp_path / "whole.tif")) == 0
    want = tifffile.imread(tmp_path / "out/whole_rgb.tif").astype(float)
    for folder in ("all", "from"):
        parts = [tifffile.imread(tmp_path / folder / f"{f.stem}_rgb.tif") for f in halves]
        got = np.concatenate(parts, axis=1)
        scale = 1 if got.dtype.kind == "f" else np.iinfo(got.dtype).max
        full = (
            1
            if dtype == "float32"
            else np.iinfo(tifffile.imread(tmp_path / "out/whole_rgb.tif").dtype).max
        )
        np.testing.assert_allclose(got / scale, want / full, atol=1.5 / scale + 1e-6)


def test_another_type_or_no_data_is_refused_in_a_line(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", (scene() * 900).astype("u2"))
    tifffile.imwrite(tmp_path / "b.tif", (scene() * 200).astype("u1"))
    gaps: Any = {"extratags": [(42113, 2, 0, "7", True)], "metadata": None}
    tifffile.imwrite(tmp_path / "c.tif", np.full((20, 20), 7, "u2"), **gaps)
    files = [tmp_path / name for name in ("a.tif", "b.tif", "c.tif")]
    assert color(files, tmp_path / "out", shared_stretch=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any("b.tif: its pixels are uint8, and those of" in line for line in lines)
    assert any("c.tif: the image has no pixels with data" in line for line in lines)
    assert (tmp_path / "out/a_rgb.tif").exists()
    assert color(files[1:2], tmp_path / "b", stretch_from=str(files[0])) == 1
    assert "are uint16; color it by itself" in capsys.readouterr().err
    for bad in (tmp_path / "none.tif", files[2]):
        with pytest.raises(InputError, match=bad.name):
            color(files[:1], tmp_path / "out", stretch_from=str(bad))
    with pytest.raises(InputError, match="contradict"):
        Rules(stretch_from="a.tif", shared_stretch=True)
