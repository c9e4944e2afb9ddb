"""Scores against scikit-image and a float64 loop; a bad pair is named and left out."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from haqagen_jax import metrics, weights
from haqagen_jax.errors import InputError
from haqagen_jax.evaluation import measure, scoring
from haqagen_jax.evaluation.evaluate import evaluate
from haqagen_jax.weights import store
from haqagen_jax.weights.catalog import find

GOLDEN = Path(__file__).parents[1] / "golden" / "lpips"


def write_pair(folder, name, seed, size=(12, 14)):
    rng = np.random.default_rng(seed)
    nir = rng.integers(0, 256, size).astype(np.uint8)
    nir.flat[:2] = 0, 255
    rgb = rng.integers(1, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(nir).save(folder / f"{name}_nir.png")
    Image.fromarray(rgb).save(folder / f"{name}_rgb.png")
    return nir[..., None].repeat(3, -1) / 255, rgb / 255


def linear(x):
    return np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)


def angle(p, g):
    """Mean over pixels in degrees; black against a color counts 90."""
    total = 0.0
    for a, b in zip(p.reshape(-1, 3), g.reshape(-1, 3), strict=True):
        norm = np.linalg.norm(a) * np.linalg.norm(b)
        total += 90.0 if norm == 0 else np.degrees(np.arccos(np.clip(a @ b / norm, -1, 1)))
    return total / (p.size // 3)


def expected(p, g):
    row = {}
    for space, a, b in (("sRGB", p, g), ("linear", linear(p), linear(g))):
        row[f"PSNR {space}"] = peak_signal_noise_ratio(b, a, data_range=1)
        row[f"SSIM {space}"] = structural_similarity(b, a, data_range=1, channel_axis=2)
        row[f"AE {space}"] = angle(a, b)
    row["dE2000"] = deltaE_ciede2000(rgb2lab(g), rgb2lab(p)).mean()
    rg, yb = (p[..., 0] - p[..., 1]) * 255, (p[..., 0] / 2 + p[..., 1] / 2 - p[..., 2]) * 255
    row["colourfulness"] = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    return row


@pytest.fixture(autouse=True)
def _no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HAQAGEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pairs").mkdir()
    return tmp_path / "pairs"


def test_gray_is_scored_as_an_independent_program_scores_it(folder, tmp_path, capsys):
    expected_rows = {
        name: expected(*write_pair(folder, name, seed)) for seed, name in enumerate("ab")
    }
    assert evaluate(str(folder), ("grey", "table"), out=str(tmp_path / "out"), progress=False) == 0
    with (tmp_path / "out" / "scores.csv").open() as file:
        rows = {(row["model"], row["image"]): row for row in csv.DictReader(file)}
    assert len(rows) == 4
    for name, row in expected_rows.items():
        got = {column: float(rows["grey", name][column]) for column in row}
        assert got == pytest.approx(row, abs=2e-3)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["pairs"] == 2
    means = {
        column: (expected_rows["a"][column] + expected_rows["b"][column]) / 2
        for column in expected_rows["a"]
    }
    scored = {column: value["mean"] for column, value in summary["models"]["grey"].items()}
    assert scored == pytest.approx(means, abs=2e-3)
    table = (tmp_path / "out" / "table.md").read_text()
    printed = capsys.readouterr().out
    assert table[: table.index("\n\n")] in printed
    assert f"{means['PSNR sRGB']:.2f}" in table
    assert rf"{means['AE sRGB']:.2f} \pm" in (tmp_path / "out" / "table.tex").read_text()
    assert "b_nir" not in (tmp_path / "out" / "report.html").read_text()
    assert "run `haqagen weights download alexnet lpips-alex`, or `haqagen" in printed
    assert "No LPIPS: " in printed


def test_a_bad_pair_is_named_and_left_out(folder, capfd):
    write_pair(folder, "a", 0)
    write_pair(folder, "b", 1)
    Image.fromarray(np.zeros((12, 14), np.uint8)).save(folder / "b_nir.png")
    assert evaluate(str(folder), ("grey", "table"), progress=False) == 1
    out, err = capfd.readouterr()
    assert "means over 1 pair\n" in out
    (line,) = err.splitlines()
    assert line.startswith(f"haqagen: {folder / 'b_nir.png'}: all 168 pixels have the value 0")


def test_no_good_pair(folder):
    write_pair(folder, "a", 0)
    Image.fromarray(np.zeros((12, 14), np.uint8)).save(folder / "a_nir.png")
    with pytest.raises(InputError, match="none of its 1 pairs could be scored; "):
        evaluate(str(folder), ("grey",), progress=False)


def test_names_that_are_no_pairs_do_not_stop_the_others(folder, capfd):
    for seed, name in enumerate("abcd"):
        write_pair(folder, name, seed)
    (folder / "a_rgb.png").unlink()
    (folder / "b_nir.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(folder / "c_rgb.png")
    assert evaluate(str(folder), ("grey", "table"), progress=False) == 1
    out, err = capfd.readouterr()
    assert "means over 1 pair\n" in out
    alone, unreadable, sizes = err.splitlines()
    assert alone.startswith(f"haqagen: {folder}: a_nir.png has no partner; ")
    assert unreadable.startswith(f"haqagen: {folder / 'b_nir.png'}: not a PNG")
    assert sizes == (
        f"haqagen: {folder / 'c_nir.png'} is 14x12 but c_rgb.png is 5x5; "
        "a pair must have one size, pixel on pixel"
    )


def test_results_are_not_replaced_unasked(folder, tmp_path, monkeypatch):
    write_pair(folder, "a", 0)
    out = tmp_path / "out"
    assert evaluate(str(folder), ("grey",), out=str(out), progress=False) == 0
    (out / "scores.csv").unlink()
    assert evaluate(str(folder), ("grey",), out=str(out), overwrite=True, progress=False) == 0
    monkeypatch.setattr(scoring, "score", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(InputError, match=r"scores\.csv: exists; add --overwrite or choose another"):
        evaluate(str(folder), ("grey",), out=str(out), progress=False)
    (out / "scores.csv").unlink()
    with pytest.raises(InputError, match=r"summary\.json: exists"):
        evaluate(str(folder), ("grey",), out=str(out), progress=False)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be made \(File exists\); choose another f"):
        evaluate(str(folder), ("grey",), out=str(tmp_path / "file"), progress=False)


def test_too_small_for_ssim(folder, capfd):
    write_pair(folder, "a", 0)
    for band, shape in (("nir", (5, 5)), ("rgb", (5, 5, 3))):
        image = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
        Image.fromarray(image).save(folder / f"b_{band}.png")
    assert evaluate(str(folder), ("grey",), progress=False) == 1
    assert "b_nir.png: images are 5x5" in capfd.readouterr().err


def test_both_modes_side_by_side(folder, tmp_path, capsys):
    for seed, name in enumerate("ab"):
        write_pair(folder, name, seed)
    out = tmp_path / "out"
    modes = ("sliding", "resize")
    assert evaluate(str(folder), ("grey",), modes=modes, out=str(out), progress=False) == 0
    models = json.loads((out / "summary.json").read_text())["models"]
    assert list(models) == ["grey", "grey (resize)"]
    # An image that is enlarged to a tile and brought back has lost a little.
    assert models["grey (resize)"]["PSNR sRGB"] != models["grey"]["PSNR sRGB"]
    assert "| grey (resize) |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ("grey", "grey")}, "model = 'grey': is given twice"),
        ({"modes": ("resize", "stretch")}, "mode = 'stretch': must be one of whole, sliding"),
        ({"lpips": "squeeze"}, "lpips = 'squeeze': must be one of alex, vgg, none"),
        ({"lpips": "vgg"}, "vgg16.safetensors: no such file; .*haqagen weights download vgg16"),
    ],
)
def test_refused(folder, options, message):
    write_pair(folder, "a", 0)
    with pytest.raises(InputError, match=message):
        evaluate(str(folder), **{"models": ("grey",), "progress": False} | options)


def test_a_pair_that_one_model_cannot_color_counts_for_none(folder, monkeypatch, capfd):
    for seed, name in enumerate("ab"):
        write_pair(folder, name, seed)
    measured, count = measure.measure, []

    def second_fails(*args):
        count.append(args)
        if len(count) == 3:
            raise ValueError("too odd")
        return measured(*args)

    monkeypatch.setattr(measure, "measure", second_fails)
    assert evaluate(str(folder), ("grey", "table"), progress=False) == 1
    out, err = capfd.readouterr()
    assert "means over 1 pair\n" in out
    assert err == f"haqagen: {folder / 'a_nir.png'}: too odd\n"
    assert len(count) == 4


def test_lpips_is_a_column_where_its_weights_are(folder, tmp_path, seeded_weights, capsys):
    write_pair(folder, "a", 0, (40, 36))
    save_file(seeded_weights("alexnet", 3), tmp_path / "alexnet.safetensors")
    store.keep(find("alexnet"), tmp_path / "alexnet.safetensors")
    store.keep(find("lpips-alex"), GOLDEN / "alex.pth")
    assert evaluate(str(folder), ("grey",), out=str(tmp_path / "out"), progress=False) == 0
    out = capsys.readouterr().out
    assert " LPIPS |" in out
    assert "No LPIPS" not in out
    nir, rgb = (np.asarray(Image.open(folder / f"a_{band}.png")) / 255 for band in ("nir", "rgb"))
    gray = nir[None, ..., None].repeat(3, -1).astype(np.float32)
    variables = weights.lpips_variables("alex")
    [expected] = metrics.lpips(variables, gray, rgb[None].astype(np.float32))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())["models"]["grey"]["LPIPS"]
    assert summary["mean"] == pytest.approx(float(expected), rel=1e-4)
    assert evaluate(str(folder), ("grey",), lpips="none", progress=False) == 0
    assert "LPIPS" not in capsys.readouterr().out


def test_an_empty_split(tmp_path):
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match="test: holds no pairs; name them"):
        evaluate(str(tmp_path), ("grey",), split="test", progress=False)


def test_the_page_shows_the_worst_and_the_best(folder, tmp_path):
    for seed, name in enumerate("abcdefgh"):
        write_pair(folder, name, seed)
    assert evaluate(str(folder), ("grey",), out=str(tmp_path / "out"), progress=False) == 0
    with (tmp_path / "out" / "scores.csv").open() as file:
        order = sorted(csv.DictReader(file), key=lambda row: float(row["PSNR sRGB"]))
    names = [row["image"] for row in order]
    page = (tmp_path / "out" / "report.html").read_text()
    shown = re.findall(r'class="label">([^<]*)</span> <span class="name">([^<]*)<', page)
    assert shown == [
        *zip(("worst", "worst 2", "worst 3"), names, strict=False),
        *zip(("best", "best 2", "best 3"), names[::-1], strict=False),
    ]
