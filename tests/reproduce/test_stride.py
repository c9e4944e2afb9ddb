"""The sweep measures what it says, with a model whose pixels do not depend on their tile."""

import gc
import json
import weakref

import numpy as np
import pytest
from PIL import Image

from haqagen_jax.errors import InputError
from haqagen_jax.evaluation.seams import seam_energy
from haqagen_jax.inference.tiling import TilePlan
from haqagen_jax.reproduce import stride as module
from haqagen_jax.reproduce.stride import sweep


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "test"
    folder.mkdir(parents=True)
    for name, size in (("large", (300, 530)), ("small", (60, 70))):
        random = np.random.default_rng(len(name))
        nir = random.integers(0, 256, size).astype(np.uint8)
        nir.flat[:2] = 0, 255
        Image.fromarray(nir).save(folder / f"{name}_nir.png")
        Image.fromarray(random.integers(0, 256, (*size, 3)).astype(np.uint8)).save(
            folder / f"{name}_rgb.png"
        )
    return folder


def test_strides(data, tmp_path, capsys):
    out = tmp_path / "out"
    words = {"model": "grey", "strides": (200, 256), "lpips": "none", "progress": False}
    assert sweep(str(data.parent), str(out), **words) == 0
    means = json.loads((out / "stride-sweep.json").read_text())
    assert list(means) == ["200", "256"]
    for column in ("PSNR linear", "PSNR sRGB", "SSIM sRGB", "AE sRGB"):
        assert means["200"][column] == pytest.approx(means["256"][column], rel=1e-4)
    nir = np.asarray(Image.open(data / "large_nir.png")) / 255
    rgb = np.asarray(Image.open(data / "large_rgb.png")) / 255
    for stride, row in means.items():
        plan = TilePlan(300, 530, 256, int(stride))
        reach = max(1, 256 - int(stride))
        gray = np.repeat(nir[..., None], 3, -1)
        for column, r in (("seam 1 px", 1), ("seam blend", reach)):
            # The small image is one tile, and counts for nothing.
            expected = seam_energy(gray, plan, r) - seam_energy(rgb, plan, r)
            assert row[column] == pytest.approx(expected, abs=1e-4)
        assert 0 < row["s a megapixel"] < 100
    text = (out / "stride-sweep.md").read_text()
    assert text in capsys.readouterr().out
    assert f"| 200    | {means['200']['PSNR linear']:>11.2f} |" in text


def test_bad_pairs_and_strides(data, tmp_path, capfd):
    (data / "small_nir.png").write_bytes(b"")
    words = {"model": "grey", "lpips": "none", "progress": False}
    assert sweep(str(data.parent), str(tmp_path), strides=(222, 240), **words) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
    with pytest.raises(InputError, match="stride = 257: must be from 1 to the tile's 256"):
        sweep(str(data.parent), str(tmp_path), strides=(257,), **words)


def test_one_model_is_there_at_a_time(data, tmp_path, monkeypatch):
    load, alive, most = module.api.load, weakref.WeakSet(), []

    def counting(*args, **options):
        gc.collect()
        most.append(len(alive) + 1)
        model = load(*args, **options)
        alive.add(model)
        return model

    monkeypatch.setattr(module.api, "load", counting)
    words = {"model": "grey", "strides": (200, 222, 256), "lpips": "none", "progress": False}
    assert sweep(str(data.parent), str(tmp_path / "out"), **words) == 0
    assert len(most) >= 3
    assert max(most) == 1
