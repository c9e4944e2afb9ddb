"""A prediction that is identical to the truth is told apart, and carries no mean."""

import csv
import io
import json
import math
import statistics

import numpy as np
import pytest
from PIL import Image

from haqagen_jax.evaluation import tables
from haqagen_jax.evaluation.evaluate import evaluate
from haqagen_jax.evaluation.statistics import finite_mean, summarize
from haqagen_jax.system import strict_json

INF = math.inf
COLUMNS = {
    "one of two": [30.0, INF],
    "first": [INF, 20.0, 25.0],
    "last": [20.0, 25.0, INF],
    "middle": [20.0, INF, 25.0, 31.0],
    "two": [INF, 20.0, INF, 25.0],
    "most": [INF] * 9 + [12.5],
    "many": [*np.random.default_rng(0).normal(20, 3, 40).tolist(), INF, INF, INF],
    "negative": [-3.0, INF, 4.0],
    "zero": [0.0, INF],
    "equal": [7.0, INF, 7.0],
    "all": [INF, INF],
    "alone": [INF],
    "none": [20.0, 21.0],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_summarized_without_its_infinite_values(name):
    values = COLUMNS[name]
    others = [value for value in values if math.isfinite(value)]
    summary = summarize(values)
    assert summary.identical == len(values) - len(others)
    if not others:
        assert all(map(math.isnan, summary[:4]))
        assert finite_mean(values) == INF
        return
    assert finite_mean(values) == pytest.approx(statistics.fmean(others))
    np.testing.assert_array_equal(summary[:4], summarize(others)[:4])
    assert min(others) <= summary.low <= summary.mean <= summary.high <= max(others)


def test_a_diverged_model_is_not_hidden():
    assert math.isnan(summarize([20.0, math.nan, INF]).mean)
    assert math.isnan(finite_mean([20.0, math.nan, INF]))


def scores(**columns):
    return {
        model: {
            str(image): {"PSNR sRGB": value, "SSIM sRGB": 0.5} for image, value in enumerate(values)
        }
        for model, values in columns.items()
    }


@pytest.mark.parametrize("name", COLUMNS)
def test_every_table_tells_the_same(name):
    values = COLUMNS[name]
    count = sum(value == INF for value in values)
    finite = [value for value in values if value != INF]
    table = scores(model=values)
    summaries = tables.summarize_models(table)
    note = tables.identical_note(summaries)
    assert note.endswith(f": model {count}.") if count else note == ""
    for text in (
        tables.text(summaries),
        tables.markdown(summaries, len(values)),
        tables.latex(summaries, len(values)),
    ):
        assert "inf" not in text.replace("infinite", "")
        assert "[nan" not in text
        assert (note in text) or not count
        assert ("identical |" in text or "& identical" in text) is (not finite)
        if finite:
            assert f"{statistics.fmean(finite):.2f}" in text
    report = strict_json.loads(tables.summary_json(summaries, {}))["models"]["model"]
    assert report["PSNR sRGB"]["identical"] == count
    assert report["PSNR sRGB"]["mean"] == (pytest.approx(np.mean(finite)) if finite else None)
    assert set(report["SSIM sRGB"]) == {"mean", "deviation", "low", "high"}
    rows = list(csv.DictReader(io.StringIO(tables.scores_csv(table, {"0": "cut, odd"}))))
    for row, value in zip(rows, values, strict=True):
        told = ["identical"] if value == INF else []
        assert row["note"] == "; ".join(told + ["cut, odd"] * (row["image"] == "0"))
        assert (row["PSNR sRGB"] == "") is (value == INF)


def test_the_best_is_no_longer_whoever_has_one_identical_image():
    summaries = tables.summarize_models(scores(lucky=[INF, 14.0], steady=[20.0, 19.0]))
    assert tables.best_columns(summaries, "steady") == ["PSNR sRGB", "SSIM sRGB"]
    assert tables.best_columns(summaries, "lucky") == ["SSIM sRGB"]
    for order in (("perfect", "steady"), ("steady", "perfect")):
        columns = {"perfect": [INF, INF], "steady": [20.0, 19.0]}
        summaries = tables.summarize_models(scores(**{name: columns[name] for name in order}))
        assert "PSNR sRGB" in tables.best_columns(summaries, "perfect")
        assert "PSNR sRGB" not in tables.best_columns(summaries, "steady")
        assert "identical*" in tables.text(summaries)


def test_only_psnr_is_said_to_be_identical():
    assert tables.number("PSNR linear", INF) == "identical"
    assert tables.number("seconds", INF) == "inf"
    assert tables.number("PSNR linear", math.nan) == "nan"


def test_a_folder_with_an_identical_and_a_cropped_pair(tmp_path, capsys):
    folder, out = tmp_path / "pairs", tmp_path / "out"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("exact", "other", "cut"):
        nir = rng.integers(0, 256, (24, 28), np.uint8)
        nir.flat[:2] = 0, 255
        rgb = rng.integers(0, 256, (24, 28, 3), np.uint8)
        rgb = np.stack([nir] * 3, -1) if name == "exact" else rgb
        Image.fromarray(nir).save(folder / f"{name}_nir.png")
        if name == "cut":
            opacity = np.full((24, 28, 1), 255, np.uint8)
            opacity[:, :4] = 0
            rgb = np.concatenate([rgb, opacity], -1)
        Image.fromarray(rgb).save(folder / f"{name}_rgb.png")
    assert evaluate(str(folder), ("grey",), out=str(out), progress=False) == 0
    said = capsys.readouterr().out
    assert "1 of them cropped to the part where both images hold data.\n" in said
    assert "is infinite and in no mean: grey 1." in said
    summary = strict_json.loads((out / "summary.json").read_text())
    assert summary["cropped"] == ["cut: 28x24 cropped to 24x24, 14.3 % left out"]
    assert summary["models"]["grey"]["PSNR sRGB"]["identical"] == 1
    with (out / "scores.csv").open() as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["exact"]["note"] == "identical"
    assert rows["cut"]["note"] == "28x24 cropped to 24x24, 14.3 % left out"
    assert rows["other"]["note"] == ""
    finite = [float(rows[name]["PSNR sRGB"]) for name in ("other", "cut")]
    assert summary["models"]["grey"]["PSNR sRGB"]["mean"] == pytest.approx(np.mean(finite))
    assert json.dumps(summary, allow_nan=False)
    page = (out / "report.html").read_text()
    assert "in no mean: grey 1." in page
    assert "cut: 28x24 cropped to 24x24" in page
    assert ">identical</td>" in page
